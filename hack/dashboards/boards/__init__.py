"""Our dashboards, a module each."""

from dashboards.board import Board
from dashboards.boards import batches, cost, model, nodes, operator, service, text

BOARDS: tuple[Board, ...] = (
    service.BOARD,
    model.BOARD,
    text.BOARD,
    batches.BOARD,
    nodes.BOARD,
    operator.BOARD,
    cost.BOARD,
)
"""In the order in which they are read: whether users are served, then why not."""
