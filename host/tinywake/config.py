# SPDX-License-Identifier: MIT
"""recipe.toml -> frozen dataclasses. The one place that reads a recipe, and the one list of what a recipe may say.

Every key has a default except ``word.label``; every number has a range. A recipe that says anything else is refused
with one line that names file, table, key and value.
"""

from __future__ import annotations

import hashlib
import json
import typing
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from tinywake.errors import ConfigError
from tinywake.tables import entry as _key
from tinywake.tables import read_table, read_toml, refuse_unknown

__all__ = [
    "CODECS",
    "GOOGLE_SPEECH",
    "SAMPLERS",
    "SQUEEZES",
    "Augment",
    "Compress",
    "Conversion",
    "Counts",
    "DetectorConfig",
    "Network",
    "Recipe",
    "Search",
    "Teacher",
    "Training",
    "Voices",
    "Word",
    "fingerprint",
    "load_recipe",
]

_NEAR = 60  # near words of "auto"
_WORDS = 32  # labels of one detector (models/SPEC.md)
CODECS = ("mu-law", "ima-adpcm", "opus")  # [augment] codecs
GOOGLE_SPEECH = "google-speech"  # [teacher] embedding: fetched where it is wanted
SAMPLERS = ("tpe", "nsga2")  # [search] sampler
SQUEEZES = (
    "distil",
    "blocks",
    "channels",
    "weights",
    "quantise",
    "cluster",
    "code",
)  # [compress] stages, in this order


@dataclass(frozen=True)
class Word:
    """[word]: what to hear, and what sounds like it but is not it."""

    label: str = _key()
    texts: tuple[str, ...] = _key(())  # how to say it; empty: the label
    near: tuple[str, ...] = _key(())  # near words: never a hit; "auto": 60 from the pronouncing dictionary
    near_count: int = _key(0, 0, 1000)  # so many more from the pronouncing dictionary
    near_carried: float = _key(0.0, 0.0, 1.0)  # share of the near words' clips that are in the word's carriers
    spare: bool = _key(False)  # inside speech: no step that may have all of the word in view is told no
    others: tuple[str, ...] = _key(())  # spoken among common words: what other devices are called
    carriers: tuple[str, ...] = _key(("hey {}", "{} please", "okay {} what now"))  # {}: the word inside speech

    @property
    def spoken(self) -> tuple[str, ...]:
        """The texts that say the word; never empty."""
        return self.texts or (self.label,)


@dataclass(frozen=True)
class Voices:
    """[voices]: who speaks. A pattern matches "engine/voice", as ``tinywake.audio.voices.installed`` lists them."""

    engines: tuple[str, ...] = _key(())  # empty: every engine that is installed
    validation: tuple[str, ...] = _key(())  # choose checkpoint and threshold; never trained on
    held_out: tuple[str, ...] = _key(())  # only for the demonstration and the final figure
    accents: tuple[str, ...] = _key(("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029"), least=1)  # espeak-ng
    speed: tuple[float, float] = _key((0.8, 1.25), 0.4, 2.5)
    pitch: tuple[float, float] = _key((0.75, 1.35), 0.4, 2.5)
    formant: tuple[float, float] = _key((0.86, 1.22), 0.5, 2.0)  # other throats for the same voice
    range: tuple[float, float] = _key((1.0, 1.0), 0.0, 2.0)  # of the pitch within an utterance (espeak-ng)
    endings: tuple[str, ...] = _key(())  # punctuation to end with, in turn by chance: other melodies
    piper: tuple[str, ...] = _key(())  # voices of one's own: VOICE.onnx, its VOICE.onnx.json beside it
    commands: tuple[str, ...] = _key(())  # programs that write a wav: "say-it --text {text} -o {wav}"


@dataclass(frozen=True)
class Conversion:
    """[conversion]: more clips of every training clip, spoken or recorded, by the WORLD vocoder (needs pyworld)."""

    per_clip: float = _key(0.0, 0.0, 50.0)  # 2: two more of each; 0.3: of three in ten
    per_recording: float = _key(0.0, 0.0, 50.0)  # besides: of each recording of the word, and as many of other talk
    formant: tuple[float, float] = _key((0.84, 1.2), 0.6, 1.6)
    pitch: tuple[float, float] = _key((0.85, 1.18), 0.5, 2.0)  # beyond what comes with the throat
    range: tuple[float, float] = _key((0.6, 1.5), 0.0, 3.0)  # of the pitch around its mean
    pace: tuple[float, float] = _key((0.85, 1.2), 0.5, 2.0)
    rhythm: float = _key(0.15, 0.0, 0.5)  # how unevenly: deviation of the logarithm of the pace
    breath: tuple[float, float] = _key((0.8, 1.4), 0.2, 5.0)  # noise in the voice

    @property
    def wanted(self) -> bool:
        """Whether there are any."""
        return self.per_clip > 0 or self.per_recording > 0


@dataclass(frozen=True)
class Counts:
    """[counts]: how many clips are spoken, and how many streams are made of them."""

    positives: int = _key(1200, 8, 100_000)
    near: int = _key(900, 0, 100_000)
    words: int = _key(500, 0, 100_000)
    sentences: int = _key(500, 4, 100_000)
    positive_streams: int = _key(3000, 8, 200_000)
    negative_streams: int = _key(4500, 8, 200_000)
    validation_positives: int = _key(200, 4, 10_000)
    validation_minutes: float = _key(20.0, 0.5, 600.0)


@dataclass(frozen=True)
class Augment:
    """[augment]: what rooms, noise and microphones do. A share is the part of the streams it happens to."""

    speed: tuple[float, float] = _key((0.88, 1.14), 0.5, 2.0)  # resampling: pace, pitch and formants together
    tempo: tuple[float, float] = _key((1.0, 1.0), 0.5, 2.0)  # pace alone, of whole streams
    warp: float = _key(0.08, 0.0, 0.3)  # frequency axis, either way
    noise: float = _key(0.85, 0.0, 1.0)
    snr_db: tuple[float, float] = _key((3.0, 35.0), -20.0, 80.0)
    room: float = _key(0.5, 0.0, 1.0)
    reverb_s: tuple[float, float] = _key((0.1, 0.6), 0.02, 3.0)
    band: float = _key(0.4, 0.0, 1.0)  # random curve or narrow band
    clipping: float = _key(0.05, 0.0, 1.0)
    peak_db: tuple[float, float] = _key((-36.0, -1.0), -70.0, 0.0)
    babble: float = _key(0.0, 0.0, 1.0)  # of the noisy streams: other people talk, at exactly the chosen ratio
    talkers: tuple[int, int] = _key((2, 8), 1, 40)  # in babble
    rooms: int = _key(0, 0, 2000)  # rooms with walls and places; 0: echoes at random
    distance_m: tuple[float, float] = _key((0.3, 4.0), 0.05, 20.0)  # from mouth to microphone, in those rooms
    microphone: float = _key(0.0, 0.0, 1.0)  # lower limit, resonance and tilt of a cheap one
    low_pass: float = _key(0.0, 0.0, 1.0)
    low_pass_hz: tuple[float, float] = _key((2800.0, 7500.0), 500.0, 8000.0)
    telephone: float = _key(0.0, 0.0, 1.0)  # 300 to 3400 Hz at 8 kHz, in 8 bits (mu-law)
    codec: float = _key(0.0, 0.0, 1.0)
    codecs: tuple[str, ...] = _key(CODECS, least=1)
    dc: float = _key(0.0, 0.0, 1.0)  # a constant part
    dc_level: tuple[float, float] = _key((0.001, 0.05), 0.0, 0.9)  # of full scale, either way
    time_masks: int = _key(0, 0, 8)  # SpecAugment: at most so many in each second
    time_mask_frames: int = _key(8, 1, 50)
    frequency_masks: int = _key(0, 0, 8)  # at most so many in a stream
    frequency_mask_channels: int = _key(5, 1, 20)


@dataclass(frozen=True)
class Network:
    """[network]: convolutions over time, VALID. One step is ``stride`` new frames of 10 ms."""

    stride: int = _key(3, 1, 8)  # frames a step
    first_kernel: int = _key(5, 1, 32)  # frames
    first_filters: int = _key(32, 1, 256)
    filters: tuple[int, ...] = _key((32, 40, 40, 40), 1, 256, 1)
    kernels: tuple[int, ...] = _key((5, 7, 9, 9), 1, 64, 1)  # steps, one a block
    head: int = _key(15, 1, 64)  # steps

    @property
    def window(self) -> int:
        """Frames that one output sees."""
        steps = sum(k - 1 for k in self.kernels) + self.head
        return self.first_kernel + self.stride * (steps - 1)


@dataclass(frozen=True)
class Training:
    """[train]: how long and how fast."""

    seed: int = _key(1, 0, 2**31 - 1)
    seeds: int = _key(1, 1, 20)  # networks trained; the one that validates best stays
    steps: int = _key(1500, 1, 1_000_000)
    batch: int = _key(128, 4, 4096)
    learning_rate: float = _key(2e-3, 1e-6, 1.0)
    dropout: float = _key(0.1, 0.0, 0.9)
    average: float = _key(0.995, 0.0, 0.99999)  # decay of the moving average of the weights
    checks: int = _key(4, 1, 100)  # times a checkpoint is scored on the validation voices
    base: str | None = _key(None)  # weights.npz of another training, relative to the recipe: begins with its layers
    frozen: int = _key(0, 0, 20)  # layers of the base, from the features on, that stay as it has them
    rankings: int = _key(0, 0, 100)  # times all streams without the word are scored, to draw the hardest more often

    def told(self) -> dict[str, Any]:
        """For a fingerprint: a key that came later counts where it is used, so what was made before is up to date."""
        return {name: value for name, value in asdict(self).items() if name != "frozen" or value}


@dataclass(frozen=True)
class Teacher:
    """[teacher]: a network that has heard far more people says what it hears in the streams; that is learnt too."""

    embedding: str = _key("")  # "google-speech", or its .tflite, relative to the recipe; empty: nobody teaches
    heads: int = _key(3, 1, 20)  # small networks on the embedding, trained for the recipe's words; asked together
    steps: int = _key(1500, 1, 1_000_000)  # of each head
    soft: float = _key(0.7, 0.0, 1.0)  # share of the loss that is the heads' word
    temperature: float = _key(2.0, 0.5, 20.0)  # of it: higher tells more of what is not the word
    hints: float = _key(1.0, 0.0, 10.0)  # weight of saying what the embedding heard; 0: none


@dataclass(frozen=True)
class DetectorConfig:
    """[detector]: how scores become events."""

    window: int = _key(5, 1, 12)  # steps in the sliding mean; training streams hold 36
    threshold: float | None = _key(None, 0.01, 0.996)  # none: chosen on the validation voices
    false_accepts_per_hour: float = _key(0.5, 0.0, 100.0)
    refractory_ms: int = _key(1000, 0, 60_000)
    ignore_ms: int = _key(0, 0, 10_000)


@dataclass(frozen=True)
class Compress:
    """[compress]: what `tinywake compress` does to the trained network. A stage but "code" is a training of its own."""

    stages: tuple[str, ...] = _key(("distil", "channels", "quantise", "cluster", "code"), least=1)
    limit: float = _key(1.0, 0.0, 100.0)  # points of the miss rate that the stages together may cost
    teachers: tuple[str, ...] = _key(())  # weights.npz beside the recipe's own network, relative to the recipe
    soft: float = _key(0.5, 0.0, 1.0)  # share of the loss that is the teachers' word, in every stage
    temperature: float = _key(2.0, 0.5, 20.0)  # of it: higher tells more of what is not the word
    hints: float = _key(0.0, 0.0, 10.0)  # "distil": weight of saying what the trained network's head reads; 0: none
    steps: int = _key(800, 4, 1_000_000)  # of a stage; "distil" takes those of [train], and its rate
    learning_rate: float = _key(5e-4, 1e-7, 1.0)
    first_filters: int | None = _key(None, 1, 256)  # "distil": of the network that learns; none: as in [network]
    filters: tuple[int, ...] = _key((), 1, 256)  # "distil": one a block; empty: as in [network]
    blocks: int = _key(1, 1, 32)  # "blocks": so many leave
    channels: float = _key(0.25, 0.0, 0.95)  # "channels": this share of each layer's leaves
    rounds: int = _key(3, 1, 20)  # "channels": in so many goes
    sparsity: float = _key(0.5, 0.0, 0.99)  # "weights": this share of each convolution's becomes zero
    values: int = _key(16, 4, 32)  # "cluster": different weights of a tensor
    seed: int | None = _key(None, 0, 2**31 - 1)  # of what the stages draw; none: that of [train]


@dataclass(frozen=True)
class Search:
    """[search]: the networks that `tinywake search` tries. A pair is the lowest and the highest; channels in fours."""

    trials: int = _key(40, 1, 100_000)
    steps: int | None = _key(None, 4, 1_000_000)  # of each training; none: those of [train]
    sampler: str = _key("tpe")  # or "nsga2"
    blocks: tuple[int, int] = _key((2, 5), 1, 12)
    first_kernel: tuple[int, int] = _key((3, 6), 1, 32)
    first_filters: tuple[int, int] = _key((8, 48), 1, 256)
    filters: tuple[int, int] = _key((8, 64), 1, 256)
    kernels: tuple[int, int] = _key((3, 13), 1, 64)
    head: tuple[int, int] = _key((5, 20), 1, 64)
    keep: int = _key(5, 1, 50)  # so many of the best become recipes


@dataclass(frozen=True)
class Recipe:
    """All that decides a model, apart from the recordings given with --data.

    Several words are several [[word]] tables: `word` is the first and `further` has the others, an output each. Near
    words, carriers and the counts of clips are shared: all near words are near each word, and [counts] are for all.
    """

    word: Word
    voices: Voices = Voices()
    counts: Counts = Counts()
    conversion: Conversion = Conversion()
    augment: Augment = Augment()
    network: Network = Network()
    train: Training = Training()
    teacher: Teacher = Teacher()
    detector: DetectorConfig = DetectorConfig()
    compress: Compress = Compress()
    search: Search = Search()
    further: tuple[Word, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        """All of them, in order of the outputs."""
        return (self.word, *self.further)

    @property
    def spoken(self) -> tuple[str, ...]:
        """The texts that say one of the words."""
        return tuple(text for word in self.words for text in word.spoken)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the words are called, however they are said."""
        return tuple(word.label for word in self.words)


def fingerprint(*parts: Any) -> str:
    """A name, 64 hex digits, for any mix of configuration dataclasses, numbers, texts and lists of them."""
    plain = [asdict(part) if is_dataclass(part) and not isinstance(part, type) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe. Raises ConfigError with one line that names file, table, key and value."""
    tables = read_toml(path)
    refuse_unknown(path, "", tables, [f.name for f in fields(Recipe) if f.name != "further"])
    hints = typing.get_type_hints(Recipe)
    if "word" not in tables:
        raise ConfigError(f'{path}: there is no [word] table; it needs at least label = "..."')
    given = tables.pop("word")
    words = tuple(_word(table, path) for table in (given if isinstance(given, list) and given else [given]))
    others = {name: read_table(hints[name], table, path, name) for name, table in tables.items()}
    recipe = Recipe(words[0], **others, further=words[1:])
    _check_together(recipe, path)
    return recipe


def _word(table: object, path: Path) -> Word:
    if isinstance(table, dict) and table.get("near") == "auto":
        table = {"near_count": _NEAR, **table, "near": []}
    return read_table(Word, table, path, "word")


def _check_together(recipe: Recipe, path: Path) -> None:
    net = recipe.network
    if len(net.filters) != len(net.kernels):
        counts = f"{len(net.kernels)} entries and network.filters {len(net.filters)}"
        raise ConfigError(f"{path}: network.kernels has {counts}; one each a block")
    if not 40 <= net.window <= 300:
        raise ConfigError(f"{path}: network.kernels and head see {net.window} frames of 10 ms; allowed: 40 to 300")
    if recipe.train.frozen and recipe.train.base is None:
        raise ConfigError(f"{path}: train.frozen = {recipe.train.frozen} needs train.base, whose layers stay")
    if recipe.train.frozen > 1 + len(net.filters):
        layers = f"the base has {1 + len(net.filters)} layers before its head"
        raise ConfigError(f"{path}: train.frozen = {recipe.train.frozen}: {layers}")
    _check_words(recipe, path)
    _check_compress(recipe, path)
    if recipe.search.sampler not in SAMPLERS:
        raise ConfigError(
            f"{path}: search.sampler = {recipe.search.sampler!r} is unknown; known: {', '.join(SAMPLERS)}"
        )
    unknown = [name for name in recipe.augment.codecs if name not in CODECS]
    if unknown:
        raise ConfigError(f"{path}: augment.codecs = {unknown[0]!r} is unknown; known: {', '.join(CODECS)}")


def _check_compress(recipe: Recipe, path: Path) -> None:
    config = recipe.compress
    strange = [name for name in config.stages if name not in SQUEEZES]
    if strange:
        raise ConfigError(f"{path}: compress.stages = {strange[0]!r} is unknown; known: {', '.join(SQUEEZES)}")
    if list(config.stages) != [name for name in SQUEEZES if name in config.stages]:
        raise ConfigError(f"{path}: compress.stages must be in this order, each once: {', '.join(SQUEEZES)}")
    if config.filters and len(config.filters) != len(recipe.network.filters):
        counts = f"{len(config.filters)} entries and network.filters {len(recipe.network.filters)}"
        raise ConfigError(f"{path}: compress.filters has {counts}; one each a block")


def _check_words(recipe: Recipe, path: Path) -> None:
    if len(recipe.words) > _WORDS:
        raise ConfigError(f"{path}: {len(recipe.words)} [[word]] tables; a detector has at most {_WORDS} labels")
    for word in recipe.words:
        if len(word.label.encode()) > 255:
            raise ConfigError(f"{path}: word.label is longer than 255 bytes")
        for carrier in word.carriers:
            if carrier.count("{}") != 1:
                raise ConfigError(f"{path}: word.carriers = {carrier!r} must contain {{}} once, where the word goes")
    spoken = [text.lower() for text in recipe.spoken]
    both = {text.lower() for word in recipe.words for text in word.near} & set(spoken)
    if both:
        raise ConfigError(f"{path}: word.near = {min(both)!r} is also one of word.texts")
    for names in ([word.label for word in recipe.words], spoken):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"{path}: word = {twice[0]!r} is there twice; each [[word]] has texts of its own")
