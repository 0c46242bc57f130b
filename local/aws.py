"""What AWS's client libraries say when something is wrong, in a sentence of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from reminders.errors import BadInput, Unavailable


@contextmanager
def answering() -> Iterator[None]:
    """Raises BadInput for what is not configured, Unavailable for the rest; an error's own words may quote an item."""
    try:
        yield
    except NoRegionError:
        raise BadInput("AWS_DEFAULT_REGION", "must be set in the environment") from None
    except NoCredentialsError:
        raise BadInput("AWS credentials", "none were found; `aws configure` keeps some") from None
    except ClientError as error:
        raise Unavailable(f"AWS refused: {error.response.get('Error', {}).get('Code', 'no code')}") from None
    except BotoCoreError as error:
        raise Unavailable(f"AWS cannot be reached ({type(error).__name__})") from None
