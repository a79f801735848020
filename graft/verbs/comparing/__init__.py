"""What a comparison is made of: who competes on which questions, judge and repetitions, bills and causes, and what is stored of it."""
