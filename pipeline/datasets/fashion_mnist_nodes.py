"""What the pictures of Fashion-MNIST show, as a hierarchy: a DAG of 18 nodes over 7 categories.

Fashion-MNIST has ten flat categories. Seven of them are the leaves here; the nodes above say what
a garment is and how it is worn, and follow from the category alone: nobody looked at an image. An
edge therefore says what holds of a category as a rule, not of each of its pictures. No two nodes
have the same leaves. docs/images.md draws it.
"""

# The numbers are the label files' own.
TARGETS = {
    "t-shirt": 0,
    "pullover": 2,
    "dress": 3,
    "coat": 4,
    "sandal": 5,
    "shirt": 6,
    "ankle-boot": 9,
}
# Never examples: what an encoder may be pretrained on has none of the classes that it is used for.
AUXILIARY = {"trouser": 1, "sneaker": 7, "bag": 8}

ROOT = "clothing"
NODES = {
    ROOT: "Clothing",
    "garment": "Garment",
    "footwear": "Footwear",
    "cold-weather": "Cold-weather wear",
    "warm-weather": "Warm-weather wear",
    "upper-body": "Upper-body garment",
    "long-garment": "Garment that hangs below the hip",
    "light-top": "Light top",
    "long-sleeved": "Long-sleeved top",
    "warm-layer": "Warm layer",
    "front-fastened": "Front-fastened top",
    "t-shirt": "T-shirt/top",
    "pullover": "Pullover",
    "dress": "Dress",
    "coat": "Coat",
    "shirt": "Shirt",
    "sandal": "Sandal",
    "ankle-boot": "Ankle boot",
}
# (child, parent)
EDGES = (
    ("garment", ROOT),  # worn on the body
    ("footwear", ROOT),  # worn on the feet
    ("cold-weather", ROOT),  # by season, across garments and footwear
    ("warm-weather", ROOT),
    ("upper-body", "garment"),  # covers the trunk and ends there, or not far below
    ("long-garment", "garment"),  # covers the thighs too
    ("light-top", "upper-body"),  # one thin layer, worn next to the skin
    ("long-sleeved", "upper-body"),  # sleeves to the wrist
    ("warm-layer", "long-sleeved"),  # worn over a light top
    ("warm-layer", "cold-weather"),  # which is what it is for
    ("front-fastened", "long-sleeved"),  # opens in front: buttons or a zip
    ("t-shirt", "light-top"),
    ("t-shirt", "warm-weather"),  # short sleeves or none
    ("pullover", "warm-layer"),  # knitted, closed in front
    ("dress", "long-garment"),  # trunk and legs in one piece
    ("dress", "warm-weather"),  # bare arms or legs
    ("coat", "warm-layer"),
    ("coat", "front-fastened"),
    ("coat", "long-garment"),  # to the thigh or the knee
    ("shirt", "light-top"),
    ("shirt", "front-fastened"),  # the button placket that a T-shirt lacks
    ("sandal", "footwear"),
    ("sandal", "warm-weather"),  # open
    ("ankle-boot", "footwear"),
    ("ankle-boot", "cold-weather"),  # closed, above the ankle
)

# The published categories are of equal size, 6,000 and 1,000 images. Here the k-th of this order,
# from 0, keeps `SHARE**k` of them: the first ones in the file's order, which is a shuffled one.
TAIL = ("t-shirt", "ankle-boot", "pullover", "dress", "sandal", "coat", "shirt")
SHARE = 0.4


def kept(target: str, count: int) -> int:
    """How many of `count` images of a category are examples: 6,000, 2,400, 960, 384, 154, 61, 25.

    Args:
        target: a key of `TARGETS`.
        count: of its images in a split.
    """
    return round(count * SHARE ** TAIL.index(target))
