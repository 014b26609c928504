"""Makes the files of this folder: sightings of animals that nobody has seen.

python docs/example/make.py
"""

import csv
import datetime
import random
from pathlib import Path

HERE = Path(__file__).parent
# taxon -> (parent, name, how often, length in cm, habitats, nocturnal, words of the notes)
TAXA: dict[str, tuple[str, str]] = {
    "animalia": ("", "Animals"),
    "aves": ("animalia", "Birds"),
    "passeres": ("aves", "Songbirds"),
    "raptores": ("aves", "Birds of prey"),
    "anseres": ("aves", "Waterfowl"),
    "mammalia": ("animalia", "Mammals"),
    "carnivora": ("mammalia", "Carnivores"),
    "rodentia": ("mammalia", "Rodents"),
    "chiroptera": ("mammalia", "Bats"),
    "insecta": ("animalia", "Insects"),
    "lepidoptera": ("insecta", "Butterflies and moths"),
    "odonata": ("insecta", "Dragonflies"),
}
SPECIES: dict[str, tuple[str, str, int, float, str, bool, str]] = {
    "blackbird": ("passeres", "Blackbird", 120, 25, "garden wood", False, "black song hedge worm"),
    "robin": ("passeres", "Robin", 90, 14, "garden wood", False, "red breast song hedge"),
    "nightingale": ("passeres", "Nightingale", 14, 16, "wood", True, "song night thicket brown"),
    "kingfisher": ("aves", "Kingfisher", 24, 17, "river", False, "blue dive fish bank"),
    "buzzard": ("raptores", "Buzzard", 60, 52, "field wood", False, "circling high mewing brown"),
    "red_kite": ("raptores", "Red kite", 22, 63, "field", False, "forked tail circling red"),
    "barn_owl": ("raptores", "Barn owl", 18, 34, "field", True, "white silent barn night"),
    "mallard": ("anseres", "Mallard", 110, 56, "lake river", False, "green head pair swimming"),
    "goosander": ("anseres", "Goosander", 13, 62, "river lake", False, "diving fish hooked bill"),
    "fox": ("carnivora", "Fox", 55, 70, "field wood garden", True, "red tail bushy dusk"),
    "badger": ("carnivora", "Badger", 26, 75, "wood", True, "striped sett night digging"),
    "otter": ("carnivora", "Otter", 12, 80, "river", True, "swimming spraint bank fish"),
    "squirrel": ("rodentia", "Red squirrel", 70, 21, "wood garden", False, "tree tail nut red"),
    "dormouse": ("rodentia", "Dormouse", 11, 8, "wood", True, "hazel nest nut small"),
    "beaver": ("rodentia", "Beaver", 16, 90, "river lake", True, "dam gnawed tree swimming"),
    "pipistrelle": ("chiroptera", "Pipistrelle", 48, 4, "garden", True, "flying dusk lamp small"),
    "brimstone": ("lepidoptera", "Brimstone", 42, 3, "garden field", False, "yellow wings flower"),
    "swallowtail": ("lepidoptera", "Swallowtail", 12, 4, "field", False, "yellow tail wings hill"),
    "hawk_moth": ("lepidoptera", "Hawk moth", 15, 5, "garden", True, "hovering flower dusk wings"),
    "emperor": ("odonata", "Emperor dragonfly", 38, 8, "lake", False, "blue patrolling wings reed"),
}
FILLER = "seen near path early again two one close long after rain from bridge quiet".split()
FROM = datetime.date(2024, 3, 1)


def main() -> None:
    """Write all files; the same ones every time."""
    draw = random.Random(7)
    rows: list[tuple[list[str], list[str]]] = []
    for taxon, (parent, _, often, length, habitats, nocturnal, words) in SPECIES.items():
        for _ in range(often):
            vague = draw.random()  # not every sighting is told apart
            label = parent if vague < 0.12 else taxon
            rows.append((sighting(draw, length, habitats, nocturnal, words), [label]))
    for row, labels in rows:
        if draw.random() < 0.05:  # two animals on one photograph
            labels.append(draw.choice([*SPECIES]))
            row[-1] += f" and {SPECIES[labels[-1]][6].split()[0]}"
    draw.shuffle(rows)
    header = ["sighting", "observer", "date", "habitat", "length_cm", "at_night", "note"]
    with_ids = [(f"s{number:03}", row, labels) for number, (row, labels) in enumerate(rows, 1)]
    known, new = with_ids[:-30], with_ids[-30:]
    write("sightings.csv", header, [[name, *row] for name, row, _ in known])
    write("new_sightings.csv", header, [[name, *row] for name, row, _ in new])
    write("taxa.csv", ["sighting", "taxon"], [[n, one] for n, _, labels in known for one in labels])
    parents = [[taxon, *about] for taxon, about in TAXA.items()]
    parents += [[taxon, about[0], about[1]] for taxon, about in SPECIES.items()]
    write("taxonomy.csv", ["child", "parent", "name"], parents)


def sighting(
    draw: random.Random, length: float, habitats: str, nocturnal: bool, words: str
) -> list[str]:
    """One row without its id."""
    seen = FROM + datetime.timedelta(days=draw.randrange(600))
    night = nocturnal != (draw.random() < 0.15)
    habitat = draw.choice(habitats.split() * 4 + ["garden", "wood", "field", "river", "lake"])
    size = f"{length * draw.lognormvariate(0, 0.15):.1f}" if draw.random() < 0.8 else ""
    note = draw.sample(words.split(), 2) + draw.sample(FILLER, 2)
    draw.shuffle(note)
    observer = f"observer {draw.randrange(1, 90):02}"
    return [observer, seen.isoformat(), habitat, size, "yes" if night else "no", " ".join(note)]


def write(name: str, header: list[str], rows: list[list[str]]) -> None:
    """Write a table."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    main()
