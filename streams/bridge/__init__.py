"""Boards, ports and files as LSL streams: a source is read, stamped by count, and published.

board ──> Source ──> CountedStamps ──> SignalOutlet ──> any LSL program
"""
