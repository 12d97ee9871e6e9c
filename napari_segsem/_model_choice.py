"""Which model a window works with: the one of its project. Knows no Qt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from psygnal import Signal

from napari_segsem._documents import Background
from napari_segsem._session import DEFAULT_MODEL, Session
from napari_segsem._workplace import Workplace
from segsem.models.project_models import model_in_project
from segsem.project.project import Project
from segsem.training.adoption import adopt, go_back


class ModelChoice:
    """Has the session work with the project's model, whenever that is another one.

    Parameters
    ----------
    session : Session
    workplace : Workplace
    background : callable
        Where models are checked and `project.toml` is written.
    """

    changed = Signal()

    def __init__(self, session: Session, workplace: Workplace, background: Background) -> None:
        self._session, self._workplace, self._background = session, workplace, background
        self._followed: tuple[Path, str] | None = None
        workplace.changed.connect(self.follow)

    @property
    def name(self) -> str:
        """Name of the model in use."""
        return Path(self._session.model).name

    @property
    def before(self) -> str | None:
        """Name of the model that one can go back to; None where there is none."""
        project = self._workplace.open_project
        models = () if project is None else project.description.models_before
        return Path(models[-1]).name if models else None

    @property
    def base(self) -> str:
        """What `segsem finetune --base` is told: the model in use, as the project names it."""
        project = self._workplace.open_project
        return (project.description.model if project is not None else "") or self._session.model

    def follow(self) -> None:
        """Take the project's model, unless that was done."""
        project = self._workplace.open_project
        if project is None:
            return
        wanted = (project.folder, project.description.model)
        if wanted == self._followed:
            return
        first = self._followed is None
        self._followed = wanted
        if wanted[1]:
            self._session.use_model(model_in_project(*wanted))
        elif not first:
            self._session.use_model(DEFAULT_MODEL)
        self.changed.emit()

    def adopt(
        self, name: str, *, insist: bool, then: Callable[[], None], failed: Callable[[str], None]
    ) -> None:
        """Have the project, and this window, work with one of the project's models."""

        def work(project: Project) -> str:
            adopt(project, name, insist=insist)
            return f"Everything works with {name} from now on"

        self._change(work, then, failed)

    def go_back(self, then: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Have the project, and this window, work with the model before."""
        self._change(
            lambda project: f"Everything works with {Path(go_back(project)).name} again",
            then,
            failed,
        )

    def _change(
        self,
        work: Callable[[Project], str],
        then: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        project = self._workplace.open_project
        if project is None:
            failed("No project is open: open an image first")
            return

        def done(text: str) -> None:
            self.follow()
            self._session.tell(text)
            then()

        self._background(lambda: work(project), done, failed)
