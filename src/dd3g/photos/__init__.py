"""Any picture file -> the canonical RGBA input: decoded, cut out, centred; and what is wrong with a picture."""
