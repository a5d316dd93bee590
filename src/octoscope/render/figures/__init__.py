"""Views drawn by matplotlib: charts, and every view as SVG or PDF."""
