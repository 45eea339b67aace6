"""Define the words that stand in tables, once."""

# Models and readers beside networks and subjects.
BRAIN = "simulated_brain"  # as a model: the simulated brain itself
GROUP = "group"  # as a subject: the mean over subjects
NOISE = "none"  # as a source: no model, the perturbation is white noise
# Words that a column of networks, subjects or regions has beside their names, and that name none of them.
RESERVED = {BRAIN, GROUP, NOISE, "all", "any", "mean", "random", "subjects"}

# A maker of stimuli that is no model: pairs of perturbations to which models differ most.
DISTORTIONS = "principal_distortions"

# Directions of an attack, and the sign of the change that it wants.
SIGNS = {"increase": 1.0, "decrease": -1.0}
LARGEST = "largest"  # in summaries: of each image the one of the two directions that changes it more
BOTH = "both"  # in summaries: both directions together
