"""The peer of the front end: librosa, called as one would write it first."""

import librosa
import numpy as np

from earmark.config import FeatureConfig


def log_mel(waveform: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Log-mel band energies of a clip, in decibels, (mels, frames)."""
    mel = librosa.feature.melspectrogram(
        y=waveform,
        sr=config.sample_rate,
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        n_mels=config.n_mels,
        pad_mode="constant",
    )
    return librosa.power_to_db(mel, top_db=None)


def warm_up(config: FeatureConfig) -> None:
    """Loads what librosa loads at its first call, which does not count."""
    second = np.zeros(22_050, np.float32)
    log_mel(librosa.resample(second, orig_sr=22_050, target_sr=config.sample_rate), config)
