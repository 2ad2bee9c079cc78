"""What a mediation analysis found, for people: in words, pictures, and the page."""

from latticework.mediation.report.analysis_page import page

__all__ = ["page"]
