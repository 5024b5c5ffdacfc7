"""Orders, each with an id, and a copy of the dear ones for the auditors; then it has no more."""

from streamparse import Spout, Stream


class Orders(Spout):
    outputs = [
        Stream(fields=["user", "item", "price"]),
        Stream(["user", "price"], name="dear"),
        Stream(fields=("user",), name="by_hand", direct=True),
    ]

    def initialize(self, stormconf, context):
        self.left = [
            ("anna", "apple", 3),
            ("bert", "boat", 5000),
            ("anna", "cake", 12),
            ("carl", "crown", 9000),
        ]
        self.acked = []
        names = context["task->component"]
        self.clerks = sorted(int(task) for task, name in names.items() if name == "clerk")
        assert names[str(context["taskid"])] == context["componentid"] == "orders"

    def next_tuple(self):
        if not self.left:
            self.log("that was all", level="debug")
            raise StopIteration
        number = len(self.left)
        user, item, price = self.left.pop()
        tasks = self.emit((user, item, price), tup_id=f"order-{number}", need_task_ids=True)
        assert len(tasks) == 2, tasks  # one of the prices, and one ledger
        if price > 1000:
            assert self.emit([user, price], stream="dear") is None
        direct = self.emit([user], stream="by_hand", direct_task=self.clerks[0], need_task_ids=True)
        assert direct == [self.clerks[0]]
