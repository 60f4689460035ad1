"""Whether files are whole: looked at one by one, where Spark has failed on one of them."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import SparkSession

from crm_spark.ingest.messages import first_line
from crm_spark.ingest.reading.files import BrokenFiles
from crm_spark.lake.hadoop import HadoopFile

_PARQUET_END = b"PAR1"


def broken_among(spark: SparkSession, uris: Iterable[str], file_format: str | None) -> BrokenFiles:
    """Give the files that were cut off, with the reason.

    A packed file is unpacked to its end, of a parquet file the last bytes are read. Other files
    cannot be told without reading their rows.
    """
    faults = {uri: _fault(HadoopFile(spark, uri, is_uri=True), file_format) for uri in uris}
    return {uri: fault for uri, fault in faults.items() if fault}


def _fault(file: HadoopFile, file_format: str | None) -> str | None:
    try:
        if file_format == "parquet":
            is_whole = file.last_bytes(len(_PARQUET_END)) == _PARQUET_END
            return None if is_whole else "unexpected end of input: its footer is missing"
        file.unpack()
    except Exception as error:  # noqa: BLE001 - whatever the filesystem or the codec says
        return first_line(error)
    return None
