"""No samples: what an imported model was trained on is not known here."""

from __future__ import annotations

from attrs import frozen

from remgcl import Census, DataError, Dataset, Samples


@frozen(kw_only=True)
class NoSamples(Dataset):
    """Placeholder for the data of an imported stage, which cannot be trained on."""

    def census(self) -> Census:
        """Refuse.

        Raises:
            DataError: Always.
        """
        raise self._error()

    def build(self) -> Samples:
        """Refuse.

        Raises:
            DataError: Always.
        """
        raise self._error()

    @staticmethod
    def _error() -> DataError:
        return DataError(
            "data 'none': the stage was imported and holds no samples; "
            "write a stage with its own data that starts after this one"
        )
