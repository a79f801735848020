"""What a comparison is made of: who competes, the judge, the bills, the development questions, stored rows, causes."""
