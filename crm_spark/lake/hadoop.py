"""Files on any Hadoop filesystem, through the driver's JVM."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

_DIRECTORY = re.compile(r"\{path=(.*?); isDirectory=true;", re.DOTALL)


@lru_cache
def _java_class(jvm: Any, name: str) -> Any:
    """Give a class of the JVM, which is asked for each part of the name, once."""
    found = jvm
    for part in name.split("."):
        found = getattr(found, part)
    return found


def contents(spark: SparkSession, paths: Sequence[str]) -> list[bytes]:
    """Give the contents of small files of one filesystem.

    Those of another machine come in one answer of the JVM: each that is longer than a packet takes
    40 ms, for which TCP waits with its second part.
    """
    files = [HadoopFile(spark, path) for path in paths]
    if files and files[0].is_local():
        return [Path(file.path.removeprefix("file:")).read_bytes() for file in files]
    java = partial(_java_class, spark._jvm)
    streams, lengths = java("java.util.Vector")(), []
    try:
        for file in files:
            streams.add(file.open())
            lengths.append(file.length())
        together = java("java.io.SequenceInputStream")(streams.elements())
        content = bytes(java("org.apache.commons.io.IOUtils").toByteArray(together))
    finally:
        for stream in streams:
            stream.close()
    ends = list(accumulate(lengths))
    return [content[end - length : end] for end, length in zip(ends, lengths, strict=True)]


class HadoopFile:
    """One path, plain or as a URI with its special characters escaped."""

    def __init__(self, spark: SparkSession, path: str, *, is_uri: bool = False) -> None:
        self._java = partial(_java_class, spark._jvm)
        to_path = self._java("org.apache.hadoop.fs.Path")
        self._path = to_path(self._java("java.net.URI")(path) if is_uri else path)
        self.path = str(self._path.toString())
        self._filesystem = self._path.getFileSystem(spark._jsc.hadoopConfiguration())

    def qualified(self) -> str:
        """Give the whole path, with its filesystem."""
        return str(self._filesystem.makeQualified(self._path).toString())

    def is_local(self) -> bool:
        """Tell whether the path lies on this machine's own filesystem."""
        return self.qualified().startswith("file:")

    def is_found(self) -> bool:
        """Tell whether the path, which may be a glob, matches anything."""
        return bool(self._filesystem.globStatus(self._path))

    def is_directory(self) -> bool:
        """Tell whether the path is a directory."""
        exists = self._filesystem.exists(self._path)
        return bool(exists and self._filesystem.getFileStatus(self._path).isDirectory())

    def names(self, pattern: str = "*") -> list[str]:
        """Give the names in a directory that a glob matches; none where there is no directory."""
        if not self.is_directory():
            return []
        matches = self._java("org.apache.hadoop.fs.GlobFilter")(pattern)
        found = self._filesystem.listStatus(self._path, matches)
        paths = self._texts(self._java("org.apache.hadoop.fs.FileUtil").stat2Paths(found))
        return [path.rpartition("/")[2] for path in paths if path]

    def folders(self) -> list[str]:
        """Give the names of the directories in a directory; none where there is none."""
        if not self.is_directory():
            return []
        # A status begins with its path and whether it is a directory.
        statuses = self._texts(self._filesystem.listStatus(self._path))
        paths = [found[1] for text in statuses if (found := _DIRECTORY.search(text))]
        return [path.rpartition("/")[2] for path in paths]

    def _texts(self, array: Any) -> list[str]:
        """Give the elements of an array of the JVM as text.

        In one: to ask for each would take a call to the JVM, and a log has thousands.
        """
        to_sequence = self._java("scala.collection.immutable.ArraySeq").unsafeWrapArray
        return str(to_sequence(array).mkString("\0")).split("\0")

    def remove(self) -> None:
        """Delete the path and all below it, and its folder where that is empty then."""
        self._filesystem.delete(self._path, True)
        folder = self._path.getParent()
        if len(self._filesystem.listStatus(folder)) == 0:
            self._filesystem.delete(folder, False)

    @contextmanager
    def _unpacked(self) -> Iterator[Any]:
        """Give a stream of what a file holds, packed (gz, bz2, zst) or not."""
        factory = self._java("org.apache.hadoop.io.compress.CompressionCodecFactory")
        codec = factory(self._filesystem.getConf()).getCodec(self._path)
        stream = self.open()
        try:
            yield stream if codec is None else codec.createInputStream(stream)
        finally:
            stream.close()

    def last_bytes(self, n: int) -> bytes:
        """Give the last `n` bytes of a file, or all of a shorter one."""

        def read(stream: Any) -> bytes:
            stream.seek(max(self.length() - n, 0))
            return bytes(self._java("org.apache.commons.io.IOUtils").toByteArray(stream))

        return bytes(self._read(read))

    def parts(self, places: Sequence[int], n: int) -> list[bytes]:
        """Give up to `n` bytes of what a file holds, unpacked, from each of these places on.

        The places are in order; beyond the end there is nothing.
        """
        found, place = [], 0
        with self._unpacked() as stream:
            for start in places:
                while place < start and (skipped := int(stream.skip(start - place))):
                    place += skipped
                part = bytes(stream.readNBytes(n)) if place >= start else b""
                place += len(part)
                found.append(part)
        return found

    def length(self) -> int:
        """Give the number of bytes of a file."""
        return int(self._filesystem.getFileStatus(self._path).getLen())

    def open(self) -> Any:
        """Give a stream of the file's bytes, which the caller closes."""
        return self._filesystem.open(self._path)

    @contextmanager
    def reader(self, charset: str) -> Iterator[Any]:
        """Give a reader of a text file, which is unpacked on the way."""
        with self._unpacked() as stream:
            to_text = self._java("java.io.InputStreamReader")(stream, charset)
            yield self._java("java.io.BufferedReader")(to_text)

    def sha256(self) -> str:
        """Give the hash of what the file holds, unpacked."""
        with self._unpacked() as stream:
            return str(self._java("org.apache.commons.codec.digest.DigestUtils").sha256Hex(stream))

    def first_line(self) -> str:
        """Give the first line of a text file, which may be large; empty where there is none."""
        reader = self._java("java.io.InputStreamReader")
        buffered = self._java("java.io.BufferedReader")
        return str(self._read(lambda stream: buffered(reader(stream, "UTF-8")).readLine()) or "")

    def text(self) -> str:
        """Give the content of a small text file."""
        to_string = self._java("org.apache.commons.io.IOUtils").toString
        return str(self._read(lambda stream: to_string(stream, "UTF-8")))

    def write_text(self, text: str) -> None:
        """Replace the file with this text: nobody ever reads a part of it."""
        part = self._java("org.apache.hadoop.fs.Path")(f"{self.path}.part")
        stream = self._filesystem.create(part, True)
        try:
            self._java("org.apache.commons.io.IOUtils").write(text, stream, "UTF-8")
        finally:
            stream.close()
        if self._filesystem.rename(part, self._path):
            return
        # A local file takes the place of another at once; other filesystems want it gone before.
        self._filesystem.delete(self._path, False)
        if not self._filesystem.rename(part, self._path):
            raise OSError(f"{self.path} cannot be written")

    def _read(self, reader: Any) -> Any:
        stream = self.open()
        try:
            return reader(stream)
        finally:
            stream.close()
