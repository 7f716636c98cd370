from __future__ import annotations

from samfleet_api.serving import main

if __name__ == "__main__":
    main()
