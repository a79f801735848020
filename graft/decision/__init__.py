"""Decision: metric values → Comparison → Recommendation, with what it costs. Numbers in; no models, no rows of text.

inference/       intervals, paired tests, power, multiplicity, human labels; `statistics` is its front door
compare          runs side by side;  trust: what stands behind the figures
costs/           what answers cost
advising/        what to expect before anything is measured
recommending/    the seven steps to a verdict, and what explains it
calibration, selective   when to decline
gate, drift, forgetting, turns   whether something got worse, or better
"""
