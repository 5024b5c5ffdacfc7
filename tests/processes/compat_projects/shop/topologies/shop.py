"""Each form of inputs and groupings, and a parallelism for each environment."""

from bolts.shop import Clerk, Ledger, Prices, Writer
from spouts.orders import Orders
from streamparse import Grouping, Topology
from streamparse.dsl.component import ComponentSpec


class Shop(Topology):
    config = {"topology.message.timeout.secs": 20}

    orders = Orders.spec()
    prices = Prices.spec(inputs=[orders], par={"test": 3, "prod": 8})
    ledger = Ledger.spec(inputs={orders: Grouping.GLOBAL}, config={"ledger.colour": "blue"})
    clerk = Clerk.spec(
        inputs={orders["dear"]: Grouping.fields(["user"]), orders["by_hand"]: Grouping.DIRECT},
        par=2,
    )
    writer = Writer.spec(
        name="paper",
        inputs={prices: Grouping.SHUFFLE, ledger: Grouping.ALL, clerk: Grouping.fields("user")},
    )


assert [spec.name for spec in Shop.specs] == ["orders", "prices", "ledger", "clerk", "paper"]
assert all(isinstance(spec, ComponentSpec) for spec in Shop.specs)
assert isinstance(Shop.prices, ComponentSpec)
assert Shop.prices.par == {"test": 3, "prod": 8}
assert set(Shop.orders.outputs) == {"default", "dear", "by_hand"}
assert repr(Grouping.SHUFFLE) == "SHUFFLE"
