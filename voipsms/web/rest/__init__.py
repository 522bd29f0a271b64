"""What /api/v1 says and takes; web/rest_api.py has its paths."""
