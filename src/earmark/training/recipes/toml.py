"""Settings as TOML, with the reasons for what was chosen as comments."""

from earmark.training.recipes.configure import Configured


def annotate(configured: Configured) -> str:
    """All settings as TOML; above each that was chosen there is a comment with the reason.

    Args:
        configured: The settings.

    Example:
        >>> from earmark.config import Config
        >>> from earmark.training.recipes.draft import Choice
        >>> text = annotate(Configured(Config(), (Choice("features.n_mels", 40, "Enough."),)))
        >>> [line for line in text.splitlines() if "n_mels" in line or "Enough" in line]
        ['# Enough.', 'n_mels = 40']
    """
    reasons = {one.setting: one.reason for one in configured.choices}
    lines: list[str] = []
    table = ""
    for line in configured.config.to_toml().splitlines():
        setting = f"{table}.{line.partition(' = ')[0]}"
        if line.startswith("["):
            # An array of tables is one setting.
            table = setting = line.strip("[]")
        if reason := reasons.pop(setting, ""):
            lines.append(f"# {reason}")
        lines.append(line)
    return "\n".join(lines) + "\n"
