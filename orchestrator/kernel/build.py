"""TREE → BUILD: a kernel image by its key, from the cache or made.

The key covers what determines the image and can be known without a checkout: the git tree, the fragments, the toolchain,
the architecture's target, the fixed environment, and the layout of the room (see ``host/sandbox.py``). From these follows
the resolved .config. The same key is never built twice, and a series that changes nothing is base itself.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import content_key, make_folder, scratch_folder
from orchestrator.kernel.artefacts import Artefact, Facts, Product, artefact_folder, find_artefact, publish_artefact
from orchestrator.kernel.comparison import NOTE, compare_trees, moves_only_lines, render_difference
from orchestrator.kernel.counters import COUNTERS, counters_note
from orchestrator.kernel.diagnostics import Warned, new_warnings, parse_warnings
from orchestrator.kernel.kconfig import Fragment, affects_config
from orchestrator.kernel.making import (
    REPEATABLE,
    Bench,
    Folders,
    Workshop,
    lay_out_fragments,
    plain_file,
    read_log,
    run_in_room,
)
from orchestrator.kernel.objects import BaseObjects, base_objects, check_config, configure, copied, sweep
from orchestrator.kernel.sources import Checkout, checked_out
from orchestrator.model.kernel import Architecture, KernelBuild, KernelRole
from orchestrator.model.tree import Trees

RECIPE = "build-1"
"""Goes up when the same inputs would come out as another image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One kernel to build. ``tree`` and ``base_tree`` are git tree ids; for base they are the same.

    ``fragments`` are the files of ``kconfigs/`` in the order in which they are merged: the architecture's and the
    flavour's. ``counted`` are objects with counters (their makefiles say so): what it takes to read them is kept with the
    build.
    """

    role: KernelRole
    commit: str
    tree: str
    base_commit: str
    base_tree: str
    architecture: Architecture
    fragments: tuple[Path, ...]
    counted: tuple[str, ...] = ()


def request_for(role: KernelRole, trees: Trees, architecture: Architecture, kconfigs: Path) -> BuildRequest:
    """Return what is built for ``role``: its commit, with the fragments of ``architecture``, files of ``kconfigs``."""
    is_base = role is KernelRole.BASE
    return BuildRequest(
        role=role,
        commit=trees.base.commit if is_base else trees.patched_commit,
        tree=trees.base.tree if is_base else trees.patched_tree,
        base_commit=trees.base.commit,
        base_tree=trees.base.tree,
        architecture=architecture,
        fragments=tuple(kconfigs / name for name in architecture.fragments),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A request with its surroundings and what was read for it."""

    request: BuildRequest
    workshop: Workshop
    fragments: tuple[Fragment, ...]
    steps: Steps
    cancellation: Cancellation

    def key(self, tree: str, *more: str) -> str:
        """Return the key of a build of ``tree``."""
        architecture, shop = self.request.architecture, self.workshop
        environment = json.dumps(REPEATABLE, sort_keys=True)
        texts = [fragment.text for fragment in self.fragments]
        target = (architecture.kernel_arch, architecture.target, architecture.image)
        return content_key(
            RECIPE, tree, *target, shop.toolchain.identity, shop.sandbox.layout, environment, *texts, "", *more
        )

    @property
    def build_key(self) -> str:
        """The key of the request's build; what is kept of a comparison with base is a part of a patched one."""
        request = self.request
        if request.counted:
            return self.key(request.tree, COUNTERS, *request.counted)
        return self.key(request.tree, *(() if request.tree == request.base_tree else (NOTE,)))

    @property
    def objects_key(self) -> str:
        """The key of base's object tree. ccache or not changes every command line, and so what make finds done."""
        return self.key(self.request.base_tree, "objects", self.workshop.toolchain.compiler)


def build_kernel(request: BuildRequest, workshop: Workshop, *, steps: Steps, cancellation: Cancellation) -> KernelBuild:
    """Return the kernel of ``request.tree``: from the cache, without checkout or make, or built now.

    Raises :class:`InfraError` when base does not build, this machine fails, or the disk is full;
    :class:`PatchFault` (stage ``build``) when patched does not build or loses configuration; ``Cancelled``.
    """
    job = _job(request, workshop, steps, cancellation)
    found = find_artefact(workshop.cache, job.build_key)
    if found is not None:
        steps.note("build", "from the cache", kernel=request.role)
        return _kernel_build(job, found, cached=True)
    with steps.step("build", kernel=request.role, commit=request.commit[:12]) as note:
        if request.tree == request.base_tree:
            return _kernel_build(job, _build_base(job, note), cached=False)
        return _kernel_build(job, _build_patched(job, note), cached=False)


def objects_key(request: BuildRequest, workshop: Workshop) -> str:
    """Return the key of base's object tree (``objects/<key>/``) that builds of ``request`` start from."""
    return _job(request, workshop, Steps(), Cancellation()).objects_key


def _job(request: BuildRequest, workshop: Workshop, steps: Steps, cancellation: Cancellation) -> _Job:
    fragments = tuple(Fragment(name=path.name, text=_read_fragment(path)) for path in request.fragments)
    return _Job(request=request, workshop=workshop, fragments=fragments, steps=steps, cancellation=cancellation)


def _read_fragment(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise InfraError(f"cannot read the configuration fragment {path}: {error.strerror}") from error


def _build_base(job: _Job, note: Callable[[str], None]) -> Artefact:
    with base_objects(job.workshop.cache, job.objects_key, job.cancellation) as base:
        # Another run may have built it while we waited for its lock.
        found = find_artefact(job.workshop.cache, job.key(job.request.base_tree)) if base.is_done else None
        return found or _make_base(job, base, note)


def _make_base(job: _Job, base: BaseObjects, note: Callable[[str], None]) -> Artefact:
    """Build base in its own object tree, mark that as whole, and publish."""
    start, request, shop = time.monotonic(), job.request, job.workshop
    base.done.unlink(missing_ok=True)
    wanted = Checkout(tree=request.base_tree, base=request.base_tree)
    note("checking out")
    with (
        scratch_folder("fragments") as fragments,
        checked_out(shop.repo, wanted, cache=shop.cache, cancellation=job.cancellation) as (source, _),
    ):
        folders = Folders(source=source, objects=base.tree, fragments=fragments)
        bench = _bench(job, KernelRole.BASE, folders, base.log)
        if not base.configured.exists():
            note("configuring")
            configure(bench, job.fragments)
            base.configured.touch()
        _make(bench, job, note)
        warnings = parse_warnings(read_log(base.log), source=bench.seen_source)
        artefact = _publish(job, bench, warnings=warnings, seconds=time.monotonic() - start)
    base.mark_done(warnings)
    sweep(shop.cache, keep=base)
    return artefact


def _build_patched(job: _Job, note: Callable[[str], None]) -> Artefact:
    """Build in a copy of base's object tree, which is made first where it is not there."""
    request, shop = job.request, job.workshop
    log = make_folder(shop.cache / "logs") / f"{job.build_key}.log"
    log.unlink(missing_ok=True)
    wanted = Checkout(tree=request.tree, base=request.base_tree)
    with base_objects(shop.cache, job.objects_key, job.cancellation) as base:
        if not base.is_done:
            note("base's object tree is not there: building base first")
            _make_base(job, base, note)
        start = time.monotonic()
        with (
            scratch_folder("fragments") as fragments,
            copied(base, job.cancellation) as objects,
            checked_out(shop.repo, wanted, cache=shop.cache, cancellation=job.cancellation) as (source, differs),
        ):
            folders = Folders(source=source, objects=objects, fragments=fragments)
            bench = _bench(job, KernelRole.PATCHED, folders, log)
            if any(affects_config(path) for path in differs):
                note("configuring")
                configure(bench, job.fragments)
            _make(bench, job, note)
            said = parse_warnings(read_log(log), source=bench.seen_source)
            warnings = new_warnings(said, base.warnings())
            if request.counted:
                note("finding the counters")
                notes = {COUNTERS: counters_note(bench, request.counted)}
            else:
                note("comparing the objects")
                notes = {NOTE: _compare(job, base.tree, folders, differs)}
            return _publish(job, bench, warnings=warnings, seconds=time.monotonic() - start, notes=notes)


@contextlib.contextmanager
def made_again(request: BuildRequest, workshop: Workshop, cancellation: Cancellation) -> Iterator[Bench]:
    """Hold a bench with the sources of ``request`` and a copy of base's objects, on which single objects can be made anew.

    What is made there is seen by nobody else and is gone after the block. Raises :class:`InfraError` where base's object
    tree is not there any more: making one takes minutes, and this is for looking closer, not for building.
    """
    job = _job(request, workshop, Steps(), cancellation)
    wanted = Checkout(tree=request.tree, base=request.base_tree)
    with base_objects(workshop.cache, job.objects_key, cancellation) as base:
        if not base.is_done:
            raise InfraError("base's object tree is not there any more", hint="run the test again with --rebuild")
        with (
            scratch_folder("fragments") as fragments,
            copied(base, cancellation) as objects,
            checked_out(workshop.repo, wanted, cache=workshop.cache, cancellation=cancellation) as (source, differs),
        ):
            folders = Folders(source=source, objects=objects, fragments=fragments)
            bench = _bench(job, request.role, folders, fragments / "make.log")
            if any(affects_config(path) for path in differs):
                configure(bench, job.fragments)
            yield bench


def _compare(job: _Job, base: Path, folders: Folders, differs: Sequence[str]) -> str:
    """Return what differs between base's objects and those just made, as the text that is kept with the build."""
    request, repo = job.request, job.workshop.repo
    only_lines = moves_only_lines(
        folders.source, differs, repo=repo, base_tree=request.base_tree, cancellation=job.cancellation
    )
    difference = compare_trees(base, folders.objects, only_lines_moved=only_lines)
    return render_difference(difference, base_key=job.key(request.base_tree))


def _bench(job: _Job, role: KernelRole, folders: Folders, log: Path) -> Bench:
    lay_out_fragments(folders.fragments, tuple(fragment.text for fragment in job.fragments))
    return Bench(
        workshop=job.workshop,
        architecture=job.request.architecture,
        role=role,
        folders=folders,
        log=log,
        cancellation=job.cancellation,
    )


def _make(bench: Bench, job: _Job, note: Callable[[str], None]) -> None:
    note("compiling")
    run_in_room(bench, [*bench.make, f"-j{job.workshop.jobs}", bench.architecture.target])
    check_config(bench, job.fragments)


def _publish(
    job: _Job,
    bench: Bench,
    *,
    warnings: tuple[Warned, ...],
    seconds: float,
    notes: Mapping[str, str] | None = None,
) -> Artefact:
    is_base = bench.role is KernelRole.BASE
    tree = job.request.base_tree if is_base else job.request.tree
    facts = Facts(
        key=job.key(tree) if is_base else job.build_key,
        tree=tree,
        toolchain=job.workshop.toolchain.identity,
        sandboxed=job.workshop.sandbox.kind.is_confined,
        seconds=round(seconds, 3),
        warnings=warnings,
    )
    product = Product(
        image=plain_file(bench, bench.architecture.image),
        config=plain_file(bench, ".config"),
        release=plain_file(bench, "include/config/kernel.release"),
        log=bench.log,
        notes=notes or {},
    )
    return publish_artefact(job.workshop.cache, product, facts)


def _kernel_build(job: _Job, artefact: Artefact, *, cached: bool) -> KernelBuild:
    request, facts = job.request, artefact.facts
    is_unchanged = request.role is KernelRole.PATCHED and request.tree == request.base_tree
    return KernelBuild(
        role=request.role,
        key=facts.key,
        tree=facts.tree,
        commit=request.commit,
        release=artefact.release,
        image=artefact_folder(job.workshop.cache, facts.key) / artefact.image,
        image_sha256=artefact.image_sha256,
        config_sha256=artefact.config_sha256,
        toolchain=facts.toolchain,
        # Base's own warnings are no news about a patch that changes nothing.
        warnings=() if is_unchanged else tuple(warned.describe() for warned in facts.warnings),
        seconds=facts.seconds,
        cached=cached,
        sandboxed=facts.sandboxed,
    )
