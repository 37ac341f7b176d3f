"""The demo's plan: what a shop goes through in a month, the same for the same seed."""

import random
from dataclasses import dataclass, field
from decimal import Decimal

DAYS = 30
CANCELLABLE = ("pending", "confirmed", "processing")
# Of all orders; the rest goes its way to the customer.
_CANCELLED, _OVERSIZED, _HASTY = 0.12, 0.04, 0.06
_ABSURD = 100_000
# Things that nobody orders during the month: their alerts come and go as planned.
SEASONAL = 3

_CATEGORIES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[int, int]]] = {
    "kitchen": (
        ("Stoneware", "Enamel", "Cast Iron", "Beechwood", "Copper", "Speckled", "Glass", "Linen"),
        ("Mug", "Teapot", "Mixing Bowl", "Bread Board", "Saucepan", "Colander", "Carafe",
         "Butter Dish", "Spice Rack", "Pepper Mill"),
        (9, 90),
    ),
    "garden": (
        ("Terracotta", "Galvanised", "Ash-Handled", "Folding", "Woven", "Cedar", "Long-Reach"),
        ("Planter", "Watering Can", "Trowel", "Pruning Saw", "Bird Feeder", "Herb Tray",
         "Kneeling Mat", "Trellis", "Garden Fork", "Lantern"),
        (8, 75),
    ),
    "office": (
        ("Walnut", "Recycled", "Brass", "Matte Black", "Felt", "Dotted", "Leather"),
        ("Notebook", "Pen Tray", "Desk Lamp", "Letter Opener", "Pencil Case", "Card Holder",
         "Bookend", "Desk Mat", "Wall Calendar", "Stapler"),
        (5, 120),
    ),
    "home": (
        ("Merino", "Washed Cotton", "Hand-Woven", "Oak", "Ribbed", "Scented", "Quilted"),
        ("Throw", "Cushion", "Candle", "Doormat", "Bath Towel", "Side Table", "Vase",
         "Picture Frame", "Laundry Basket", "Coat Hook"),
        (12, 180),
    ),
    "toys": (
        ("Wooden", "Painted", "Magnetic", "Plush", "Travel", "Giant", "Pocket"),
        ("Train Set", "Stacking Rings", "Chess Set", "Bear", "Kite", "Spinning Top", "Puzzle",
         "Marble Run", "Building Blocks", "Yo-Yo"),
        (6, 65),
    ),
    "outdoor": (
        ("Waxed", "Insulated", "Ultralight", "Canvas", "Titanium", "Reflective", "Packable"),
        ("Rucksack", "Bottle", "Camp Stool", "Hammock", "Rain Jacket", "Head Torch", "Cook Set",
         "Dry Bag", "Blanket", "Trail Map"),
        (10, 160),
    ),
}  # fmt: skip
_FIRST_NAMES = (
    "Anna", "Ben", "Carla", "Deniz", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Keiko",
    "Liam", "Mara", "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Samir", "Tove",
)  # fmt: skip
_SURNAMES = (
    "Abel", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ito",
    "Jensen", "Keller", "Lopez", "Meyer", "Novak", "Okafor", "Petrov", "Rossi", "Silva",
)  # fmt: skip
_STREETS = ("Harbour Road", "Mill Lane", "Station Street", "Orchard Way", "Market Square")
_LOSSES = ("broken in the store room", "used for the shop window", "missing at a stock check")


@dataclass(frozen=True, slots=True)
class PlannedProduct:
    """A product and its first delivery."""

    name: str
    description: str
    category: str
    price: Decimal
    threshold: int
    stock: int
    published: bool


@dataclass(frozen=True, slots=True)
class Adjust:
    """Units that come in or go out by hand."""

    product: int
    change: int
    reason: str
    expected_stock: int | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Buy:
    """A customer's order; ``number`` tells it from all others of the plan."""

    number: int
    customer: str
    address: str
    items: tuple[tuple[int, int], ...]
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A step of an order; left out if the order has ended before."""

    number: int
    status: str
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Reprice:
    """A new price; orders accepted before keep theirs."""

    product: int
    price: Decimal


Step = Adjust | Buy | Move | Reprice


@dataclass
class Plan:
    """A month: its products, and for each day what is done, in order."""

    products: list[PlannedProduct] = field(default_factory=list)
    days: list[list[Step]] = field(default_factory=lambda: [[] for _ in range(DAYS)])

    @property
    def steps(self) -> int:
        """How many requests it takes at most, beside what is done because stock is low."""
        return 3 * len(self.products) + sum(map(len, self.days))


def make_plan(seed: int, products: int, orders: int) -> Plan:
    """Plan a month.

    Args:
        seed: the same seed makes the same month.
        products: how many.
        orders: how many.
    """
    chance = random.Random(seed)  # noqa: S311 - nothing secret is drawn
    plan = Plan()
    _plan_products(plan, chance, products)
    _plan_seasonal(plan)
    _plan_hands(plan, chance)
    popular = [1 / (rank + 3) for rank in range(products - SEASONAL)]
    for number in range(orders):
        _plan_order(plan, chance, number, number * DAYS // orders, popular)
    return plan


def _plan_products(plan: Plan, chance: random.Random, count: int) -> None:
    names = [
        (category, f"{kind} {thing}", prices)
        for category, (kinds, things, prices) in _CATEGORIES.items()
        for kind in kinds
        for thing in things
    ]
    for rank, (category, name, prices) in enumerate(chance.sample(names, count)):
        seasonal = rank >= count - SEASONAL
        whole = chance.randint(*prices)
        plan.products.append(
            PlannedProduct(
                name=name,
                description=f"{name}, from our {category} range.",
                category=category,
                price=Decimal(whole) - Decimal(chance.choice(("0.01", "0.05", "0.10", "0.50"))),
                threshold=5 if seasonal else chance.choice((3, 5, 8)),
                # What sells well is stocked well, if not always well enough.
                stock=20 if seasonal else chance.randint(6, 14) + 240 // (rank + 6),
                published=seasonal or chance.random() < 0.95,
            )
        )


def _plan_seasonal(plan: Plan) -> None:
    """Low, out, and back again, whatever customers do."""
    for turn in range(SEASONAL):
        product = len(plan.products) - 1 - turn
        for day, change, reason in (
            (3 + turn, -16, "lent to the fair"),
            (6 + turn, -4, "lent to the fair"),
            (12 + turn, 20, "back from the fair"),
        ):
            plan.days[day].append(Adjust(product, change, reason))


def _plan_hands(plan: Plan, chance: random.Random) -> None:
    """What staff do, and what they try in vain."""
    for day, steps in enumerate(plan.days):
        product = chance.randrange(len(plan.products) - SEASONAL)
        steps.append(Adjust(product, -1, chance.choice(_LOSSES)))
        if day % 3 == 1:
            steps.append(Adjust(product, -_ABSURD, "typing error", None, "insufficient-stock"))
        if day % 5 == 2:
            steps.append(Adjust(product, 1, "stale screen", _ABSURD, "stock-changed"))
        if day % 7 == 4:
            price = plan.products[product].price
            steps.append(Reprice(product, (price * Decimal("0.8")).quantize(Decimal("0.01"))))


def _plan_order(
    plan: Plan, chance: random.Random, number: int, day: int, popular: list[float]
) -> None:
    customer = f"{chance.choice(_FIRST_NAMES)} {chance.choice(_SURNAMES)}"
    address = f"{chance.randint(1, 99)} {chance.choice(_STREETS)}"
    fate = chance.random()
    wanted = sorted(set(chance.choices(range(len(popular)), popular, k=chance.randint(1, 3))))
    if fate < _OVERSIZED:
        absurd = ((wanted[0], _ABSURD),)
        plan.days[day].append(Buy(number, customer, address, absurd, "insufficient-stock"))
        return
    items = tuple((product, chance.choice((1, 1, 1, 2, 3))) for product in wanted)
    plan.days[day].append(Buy(number, customer, address, items))
    if fate > 1 - _HASTY:
        plan.days[day].append(Move(number, "delivered", "invalid-transition"))
    due = day
    cancelled_from = chance.choice(CANCELLABLE) if fate < _OVERSIZED + _CANCELLED else None
    for status, days in (("confirmed", 0), ("processing", 1), ("shipped", 1), ("delivered", 3)):
        previous = {"confirmed": "pending", "processing": "confirmed", "shipped": "processing"}
        if cancelled_from is not None and previous.get(status) == cancelled_from:
            _add(plan, due, Move(number, "cancelled"))
            _add(plan, due + 1, Move(number, "shipped", "invalid-transition"))
            return
        due += chance.randint(0, days)
        _add(plan, due, Move(number, status))


def _add(plan: Plan, day: int, step: Step) -> None:
    """What lies beyond the month is left undone: there are always orders on their way."""
    if day < DAYS:
        plan.days[day].append(step)
