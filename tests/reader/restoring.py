"""Restores a snapshot below a folder: docs/format.md, section 17.3."""

import os
import stat

from canonical import FormatError
from snapshot import DEVICE_KINDS, entries, path_of, pieces, xattrs_of

ACL = b"system.posix_acl_access"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Restore:
    """One restore. Never follows a symbolic link: every folder is opened component by component."""

    def __init__(self, chunks, target):
        self.chunks, self.target, self.reports = chunks, target, []
        self.links, self.directories = {}, []
        self.open_parent, self.folder = None, None
        self.is_root = os.geteuid() == 0

    def run(self, manifest):
        os.makedirs(self.target, exist_ok=True)
        for key, node in entries(self.chunks, manifest):
            try:
                self.place(key, node)
            except (OSError, FormatError, OverflowError) as error:
                self.report(key, error)
        for key, node in reversed(self.directories):
            try:
                self.finish(key, node)
            except (OSError, FormatError, OverflowError) as error:
                self.report(key, error)

    def report(self, key, what):
        self.reports.append(f"{os.fsdecode(path_of(key))}: {what}")

    def enter(self, parent):
        """A descriptor of the folder `parent`, made where it is missing."""
        if parent != self.open_parent:
            folder = os.open(self.target, os.O_RDONLY | os.O_DIRECTORY)
            for name in parent.split(b"\0") if parent else []:
                try:
                    os.mkdir(name, 0o755, dir_fd=folder)
                except FileExistsError:
                    pass
                try:
                    below = os.open(name, FOLDER, dir_fd=folder)
                finally:
                    os.close(folder)
                folder = below
            if self.folder is not None:
                os.close(self.folder)
            self.open_parent, self.folder = parent, folder
        return self.folder

    def place(self, key, node):
        parent, name = key
        if node["kind"] == "directory":
            self.directories.append((key, node))
            if node["fidelity"]:
                self.report(key, f"stored as {node['fidelity']}")
            if name:
                try:
                    os.mkdir(name, 0o700, dir_fd=self.enter(parent))
                except FileExistsError:
                    os.close(os.open(name, FOLDER, dir_fd=self.enter(parent)))
            return
        if node["fidelity"] == "unreadable":
            self.report(key, "not restored: stored as unreadable")
            return
        group = node["links"]
        if group in self.links and group is not None:
            first_parent, first_name = self.links[group]
            source = os.dup(self.enter(first_parent))
            try:
                os.link(first_name, name, src_dir_fd=source, dst_dir_fd=self.enter(parent), follow_symlinks=False)
            finally:
                os.close(source)
            return
        self.make(key, node)
        if group is not None:
            self.links[group] = key
        self.finish(key, node)

    def make(self, key, node):
        folder, name, kind = self.enter(key[0]), key[1], node["kind"]
        if kind == "symlink":
            os.symlink(node["target"], name, dir_fd=folder)
        elif kind == "fifo":
            os.mkfifo(name, 0o600, dir_fd=folder)
        elif kind == "socket":
            os.mknod(name, stat.S_IFSOCK | 0o600, dir_fd=folder)
        elif kind in DEVICE_KINDS:
            form = stat.S_IFBLK if kind == "block-device" else stat.S_IFCHR
            os.mknod(name, form | 0o600, os.makedev(*node["device"]), dir_fd=folder)
        else:
            self.write(key, node, folder)

    def write(self, key, node, folder):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        if node["fidelity"]:
            self.report(key, f"stored as {node['fidelity']}")
        with open(os.open(key[1], flags, 0o600, dir_fd=folder), "wb") as file:
            end = 0
            for length, piece in pieces(self.chunks, node["content"]):
                end += length
                if isinstance(piece, bytes):
                    file.write(piece)
                elif piece == "zero":
                    for start in range(0, length, 1 << 20):
                        file.write(bytes(min(1 << 20, length - start)))
                else:
                    if piece == "lost":
                        self.report(key, f"{length} bytes are lost and restored as zero")
                    file.seek(length, os.SEEK_CUR)
            file.truncate(end)

    def finish(self, key, node):
        """Owner, attributes, mode, time, in this order: each can undo those behind it."""
        parent, name = key
        folder = self.enter(parent)
        if self.is_root:
            os.chown(name or b".", node["uid"], node["gid"], dir_fd=folder, follow_symlinks=False)
        path = b"/proc/self/fd/%d/%s" % (folder, name or b".")
        try:
            # An ACL may take from the owner what setting the others needs.
            for attribute, value in sorted(xattrs_of(self.chunks, node), key=lambda pair: pair[0] == ACL):
                if node["kind"] in ("stream", "image") and attribute.startswith(b"esker."):
                    continue
                os.setxattr(path, attribute, value, follow_symlinks=False)
        except (OSError, FormatError) as error:
            self.report(key, f"extended attributes: {error}")
        if node["kind"] != "symlink":
            os.chmod(name or b".", node["mode"], dir_fd=folder)
        seconds, nanos = node["mtime"]
        mtime = seconds * 10**9 + nanos
        os.utime(name or b".", ns=(mtime, mtime), dir_fd=folder, follow_symlinks=False)
