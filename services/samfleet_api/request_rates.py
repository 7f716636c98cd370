"""The limits of requests per minute: of a key in this process, and of a tenant in all processes together."""

from __future__ import annotations

from collections.abc import Sequence

from samfleet.config import Settings
from samfleet_api.keys.repository import Caller
from samfleet_api.rates import Allowance, Policy, Rates
from samfleet_api.shared_rates import SharedRates


class RequestRates:
    def __init__(self, settings: Settings) -> None:
        self._per_key = settings.requests_per_minute
        self._per_tenant = settings.tenant_requests_per_minute
        self._keys = Rates(Policy.KEY)
        self._tenants = SharedRates(settings.broker_url)

    def count(self, caller: Caller) -> Sequence[Allowance]:
        """Count a request. One that the key may not send does not count for its tenant.

        A tenant without a limit costs no round trip to Redis.
        """
        of_key = self._keys.take(str(caller.key_id), self._per_key)
        per_tenant = caller.tenant_requests_per_minute or self._per_tenant
        if per_tenant is None or not of_key.accepted:
            return (of_key,)
        return of_key, self._tenants.take(caller.tenant_id, per_tenant)

    def close(self) -> None:
        self._tenants.close()
