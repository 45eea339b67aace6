"""codingaxes: which image directions drive a network-based model of the brain, and whether models share them."""

import os

# Weights come by the rule fetch_weights alone; no library may look for more on a hub. Read when they are imported.
os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
