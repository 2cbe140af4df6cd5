"""The formats and writers of `reading_matrix.py`, each with how to write a file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Format:
    """A format as one writer writes it.

    Args:
        name: For the table.
        writer: The command, or the library ``libsndfile`` or ``PyAV``.
        suffix: Extension of the file.
        recipe: A command with ``{wav}``, ``{out}``, ``{rate}`` and ``{channels}``; the subtype for
            libsndfile, after its format; the encoder for PyAV. A command without ``{out}`` writes
            into a pipe.
        difference: Why earmark is known to differ from ffmpeg.
        max_channels: More are not tried.
    """

    name: str
    writer: str
    suffix: str
    recipe: str
    difference: str = ""
    max_channels: int = 8


_FFMPEG = "ffmpeg -v error -y -i {wav} "
_UNCOMPRESSED = (
    ("wav 16-bit", ".wav", "-c:a pcm_s16le"),
    ("wav 24-bit", ".wav", "-c:a pcm_s24le"),
    ("wav float", ".wav", "-c:a pcm_f32le"),
    ("wav u-law", ".wav", "-c:a pcm_mulaw"),
    ("wav A-law", ".wav", "-c:a pcm_alaw"),
    ("rf64", ".wav", "-rf64 always"),
    ("w64", ".w64", ""),
    ("aiff", ".aiff", ""),
    ("aifc float", ".aifc", "-c:a pcm_f32be -f aiff"),
    ("au", ".au", ""),
    ("caf", ".caf", "-c:a pcm_s16be"),
    ("caf ALAC", ".caf", "-c:a alac"),
)
_SNDFILE = (
    ("wav 16-bit", ".wav", "WAV PCM_16"),
    ("wav 24-bit", ".wav", "WAV PCM_24"),
    ("wav double", ".wav", "WAV DOUBLE"),
    ("rf64", ".rf64", "RF64 PCM_16"),
    ("w64", ".w64", "W64 PCM_24"),
    ("aiff", ".aiff", "AIFF PCM_16"),
    ("au", ".au", "AU PCM_16"),
    ("caf", ".caf", "CAF PCM_24"),
    ("caf ALAC", ".caf", "CAF ALAC_16"),
    ("flac", ".flac", "FLAC PCM_16"),
    ("flac 24-bit", ".flac", "FLAC PCM_24"),
    ("ogg Vorbis", ".ogg", "OGG VORBIS"),
    ("ogg Opus", ".opus", "OGG OPUS"),
    ("mp3", ".mp3", "MP3 MPEG_LAYER_III"),
    ("nist", ".nist", "NIST PCM_16"),
)
_PIPED = (
    ("wav", ".wav", "-f wav -"),
    ("au", ".au", "-f au -"),
    ("flac", ".flac", "-f flac -"),
    ("ogg Vorbis", ".ogg", "-c:a libvorbis -f ogg -"),
    ("mp3", ".mp3", "-c:a libmp3lame -f mp3 -"),
    ("mp3 VBR", ".mp3", "-c:a libmp3lame -q:a 4 -f mp3 -"),
)
_SHORT = "ffmpeg plays all of a last page; the position in it says less"
_ROUNDING = "ffmpeg rounds the predictor in another way"
_GSM = "libsndfile decodes the byte that pads the chunk as another block"
_OPUS = "libsndfile decodes at 24 kHz what was recorded at less; ffmpeg at 48 kHz"
_STEREO = "ffmpeg at 24 kHz; libmpg123, dr_mp3 and the decoder of LAME agree"
_TAGS = "ffmpeg plays the encoder's padding of the shortest file"
_DIFFERENCES = {
    "ogg Vorbis": _SHORT,
    "ogg Opus": _OPUS,
    "wav IMA ADPCM": _ROUNDING,
    "wav GSM": _GSM,
    "mp3 with tags": _TAGS,
    "mp3 CBR": _STEREO,
    "mp3 CBR, no Info": _STEREO,
}
"""Why formats are known to differ."""


def _rows() -> Iterator[Format]:
    for name, suffix, options in _UNCOMPRESSED:
        yield Format(name, "ffmpeg", suffix, f"{_FFMPEG}{options} {{out}}", max_channels=6)
    for name, suffix, options in _PIPED:
        yield Format(f"{name}, piped", "ffmpeg", suffix, _FFMPEG + options)
    for name, suffix, recipe in _SNDFILE:
        yield Format(name, "libsndfile", suffix, recipe)
    yield from _compressed()
    yield from _mpeg()
    yield from _sox()
    yield from _containers()
    yield Format("flac", "PyAV", ".flac", "flac")
    yield Format("ogg Vorbis", "PyAV", ".ogg", "libvorbis")
    yield Format("mp3", "PyAV", ".mp3", "libmp3lame")


def _compressed() -> Iterator[Format]:
    adpcm = "ffmpeg -v error -y -i {wav} -c:a adpcm_"
    yield Format("wav IMA ADPCM", "ffmpeg", ".wav", adpcm + "ima_wav {out}", max_channels=2)
    yield Format("wav MS ADPCM", "ffmpeg", ".wav", adpcm + "ms {out}", max_channels=2)
    yield Format("flac", "ffmpeg", ".flac", _FFMPEG + "{out}")
    yield Format("flac", "flac", ".flac", "flac -s -f -o {out} {wav}")
    yield Format("flac, no seek table", "flac", ".flac", "flac -s -f -S- -o {out} {wav}")
    yield Format("flac, piped", "flac", ".flac", "flac -s -c {wav}")
    yield Format("flac in ogg", "flac", ".oga", "flac -s -f --ogg -o {out} {wav}")
    yield Format("flac in ogg", "ffmpeg", ".oga", _FFMPEG + "-c:a flac {out}")
    yield Format("ogg Vorbis", "ffmpeg", ".ogg", _FFMPEG + "-c:a libvorbis {out}")
    yield Format("ogg Opus", "ffmpeg", ".opus", _FFMPEG + "-c:a libopus {out}")
    yield Format("ogg Speex", "ffmpeg", ".ogg", _FFMPEG + "-c:a libspeex {out}", max_channels=2)


def _mpeg() -> Iterator[Format]:
    lame = (
        ("mp3 CBR", "-b 64"),
        ("mp3 CBR, no Info", "-b 64 -t"),
        ("mp3 VBR", "-V 4"),
        ("mp3 VBR, no Info", "-V 4 -t"),
        ("mp3 ABR", "--abr 100"),
        ("mp3 with checksums", "-p -V 4"),
        ("mp3 with tags", "--tt title --add-id3v2 --pad-id3v2-size 5000 -V 4"),
    )
    for name, options in lame:
        recipe = f"lame --quiet {options} {{wav}} {{out}}"
        yield Format(name, "lame", ".mp3", recipe, max_channels=2)
    yield Format("mp3, piped", "lame", ".mp3", "lame --quiet -V 4 {wav} -", max_channels=2)
    free = "lame --quiet --freeformat -b 150 {wav} {out}"
    yield Format("mp3, free bit rate", "lame", ".mp3", free, max_channels=2)
    options = (
        ("mp3", ".mp3", "-c:a libmp3lame"),
        ("mp3 VBR", ".mp3", "-c:a libmp3lame -q:a 4"),
        ("mp3, no Info", ".mp3", "-c:a libmp3lame -write_xing 0"),
        ("mp3 VBR, no Info", ".mp3", "-c:a libmp3lame -q:a 4 -write_xing 0"),
        ("mp3 in wav", ".wav", "-c:a libmp3lame"),
        ("mp2", ".mp2", "-c:a mp2"),
        ("mp2 in wav", ".wav", "-c:a mp2"),
    )
    for name, suffix, codec in options:
        recipe = f"{_FFMPEG}{codec} {{out}}"
        yield Format(name, "ffmpeg", suffix, recipe, max_channels=2)


def _containers() -> Iterator[Format]:
    options = (
        ("m4a AAC", ".m4a", "-c:a aac", 8),
        ("m4a AAC, fast start", ".m4a", "-c:a aac -movflags faststart", 2),
        ("m4a ALAC", ".m4a", "-c:a alac", 8),
        ("mp4 AAC, fragments", ".mp4", "-c:a aac -movflags frag_keyframe+empty_moov", 2),
        ("mp4 AAC, DASH", ".mp4", "-c:a aac -movflags dash -frag_duration 500000", 2),
        ("mp4 mp3", ".mp4", "-c:a libmp3lame", 2),
        ("mov 16-bit", ".mov", "-c:a pcm_s16le", 8),
        ("mov AAC", ".mov", "-c:a aac", 8),
        ("aac", ".aac", "-c:a aac", 8),
        ("webm Opus", ".webm", "-c:a libopus", 8),
        ("webm Vorbis", ".webm", "-c:a libvorbis", 8),
        ("mka AAC", ".mka", "-c:a aac", 8),
        ("mka FLAC", ".mka", "-c:a flac", 8),
        ("mka 24-bit", ".mka", "-c:a pcm_s24le", 8),
        ("mka mp3", ".mka", "-c:a libmp3lame", 2),
        ("mka AC-3", ".mka", "-c:a ac3", 6),
        ("wma", ".wma", "-c:a wmav2", 2),
        ("wma 1", ".wma", "-c:a wmav1", 2),
    )
    for name, suffix, codec, limit in options:
        recipe = f"{_FFMPEG}{codec} {{out}}"
        yield Format(name, "ffmpeg", suffix, recipe, max_channels=limit)
    for name, suffix, recipe in (
        ("webm Opus, piped", ".webm", "-c:a libopus -f webm -"),
        ("mka FLAC, piped", ".mka", "-c:a flac -f matroska -"),
        ("mp4 AAC, piped", ".mp4", "-c:a aac -f mp4 -movflags frag_keyframe+empty_moov -"),
        ("wma, piped", ".wma", "-c:a wmav2 -f asf -"),
        ("aac, piped", ".aac", "-c:a aac -f adts -"),
    ):
        yield Format(name, "ffmpeg", suffix, _FFMPEG + recipe, max_channels=2)
    for suffix, encoder in ((".m4a", "aac"), (".webm", "libopus"), (".mka", "flac")):
        yield Format(f"{suffix[1:]} {encoder}", "PyAV", suffix, encoder)


def _sox() -> Iterator[Format]:
    for name, suffix, options in (
        ("wav 16-bit", ".wav", ""),
        ("wav GSM", ".wav", "-e gsm-full-rate"),
        ("wav IMA ADPCM", ".wav", "-e ima-adpcm"),
        ("aiff", ".aiff", ""),
        ("au u-law", ".au", "-e u-law"),
        ("flac", ".flac", ""),
        ("ogg Vorbis", ".ogg", ""),
        ("mp3", ".mp3", "-C 128.2"),
        ("mp3 VBR", ".mp3", "-C -4.2"),
        ("nist", ".sph", ""),
    ):
        limit = 1 if "GSM" in name else 2 if "mp3" in name or "IMA" in name else 8
        yield Format(name, "sox", suffix, f"sox -D {{wav}} {options} {{out}}", max_channels=limit)
    yield Format("wav, piped", "sox", ".wav", "sox -D {wav} -t wav -")
    yield Format("mp3, piped", "sox", ".mp3", "sox -D {wav} -t mp3 -", max_channels=2)


FORMATS = tuple(
    replace(one, difference=_DIFFERENCES.get(one.name.removesuffix(", piped"), ""))
    for one in _rows()
)
