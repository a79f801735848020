"""What a comparison is made of: who competes on which questions, judge and repetitions, bills and causes, the verdict, and what is stored."""
