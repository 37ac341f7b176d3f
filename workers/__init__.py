"""The road: the way in (dispatch), the line (runner) and the way out (broadcast)."""
