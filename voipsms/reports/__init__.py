"""Reports, pure: what CDRs add up to, by period and by whatever else, as rows and as a page to look at."""
