"""codingaxes: from the Natural Scenes Dataset to the coding axes of network-based brain models."""

import os

# Weights come by the rule fetch_weights alone. The hubs' libraries read these when they are imported.
os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
