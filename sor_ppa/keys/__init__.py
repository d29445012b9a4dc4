"""Every config key that sor_ppa adds, by system, one comment a key."""
