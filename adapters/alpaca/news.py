"""News as custom data."""

from nautilus_trader.core.data import Data
from nautilus_trader.model.custom import customdataclass

from adapters.alpaca.market import Article


@customdataclass
class AlpacaNews(Data):
    """A news article; ``symbols`` are separated by spaces.

    ``ts_event`` is when it was created or last changed, ``ts_init`` when it was received.
    """

    article_id: int = 0
    headline: str = ""
    summary: str = ""
    source: str = ""
    url: str = ""
    symbols: str = ""


def news_of(article: Article, now_ns: int) -> AlpacaNews:
    """Return an article as custom data."""
    return AlpacaNews(
        ts_event=article.updated_ns,
        ts_init=max(now_ns, article.updated_ns),
        article_id=article.id,
        headline=article.headline,
        summary=article.summary,
        source=article.source,
        url=article.url,
        symbols=" ".join(article.symbols),
    )
