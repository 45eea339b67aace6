"""As many images at once as the device's memory holds."""

import logging

import torch

log = logging.getLogger("codingaxes")


class Batches:
    """Runs work on parts of a batch; the parts are halved whenever the device's memory is out.

    Parameters
    ----------
    size : int
        Most images to begin with.
    """

    def __init__(self, size):
        self.size = size

    def __call__(self, work, *tensors):
        """What `work` gives for parts of `tensors` (n, ...), one after the other, as a list.

        Raises
        ------
        torch.OutOfMemoryError
            If not even one image fits.
        """
        while True:
            try:
                starts = range(0, len(tensors[0]), self.size)
                return [work(*(x[start : start + self.size] for x in tensors)) for start in starts]
            except torch.OutOfMemoryError:
                if self.size == 1:
                    raise
                self.size = (min(self.size, len(tensors[0])) + 1) // 2
            torch.cuda.empty_cache()  # outside the handler, whose traceback holds tensors
            log.warning(f"the device is out of memory; going on with {self.size} images at once")
