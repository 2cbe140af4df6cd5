"""What Prometheus reads: counts and times, never names or contents."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one service.

    Example:
        >>> metrics = Metrics()
        >>> metrics.rejected.inc()
        >>> b"earmark_rejected_total 1.0" in metrics.render()
        True
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for collect in (ProcessCollector, PlatformCollector, GCCollector):
            collect(registry=self._registry)
        at = {"registry": self._registry}
        self.requests = Counter(
            "earmark_requests", "Requests that were answered.", ("route", "status"), **at
        )
        self.request_seconds = Histogram(
            *("earmark_request_seconds", "From the start of a request to its end.", ("route",)),
            buckets=SECONDS,
            **at,
        )
        self.files = Counter(
            "earmark_files", "Files by outcome: predicted, or what is wrong.", ("outcome",), **at
        )
        self.sound_seconds = Counter("earmark_sound_seconds", "Predicted sound in files.", **at)
        self.rejected = Counter("earmark_rejected", "Requests refused: the queue was full.", **at)
        self.queued = Gauge("earmark_queued", "Requests that are being worked on or wait.", **at)
        self.streams = Gauge("earmark_streams", "Open live streams.", **at)
        self.stream_windows = Counter("earmark_stream_windows", "Windows of live streams.", **at)
        self.batch_windows = Histogram(
            *("earmark_batch_windows", "Windows in a batch of the network."),
            buckets=(1, 2, 4, 8, 16, 32, 64),
            **at,
        )
        self.reloads = Counter(
            "earmark_reloads", "Models read again after a change.", ("model", "outcome"), **at
        )

    def render(self) -> bytes:
        """All of them in the text format of Prometheus."""
        return generate_latest(self._registry)
