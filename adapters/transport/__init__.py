"""What every venue adapter needs between its own code and the wire: deadlines, lanes, budgets, liveness, counters.

Knows neither NautilusTrader nor any venue. The official SDKs have no total deadline, retry what must not be retried and
read their sockets in ways that die in silence; what is here stands around them.
"""
