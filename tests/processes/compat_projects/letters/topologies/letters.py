from bolts.post import Post
from spouts.letters import Letters
from streamparse import Topology


class PostOffice(Topology):
    letters = Letters.spec(name="mailbox")
    post = Post.spec(inputs=[letters], par=1)
