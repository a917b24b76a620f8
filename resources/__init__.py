"""The outside world, one interface each: the lake of artifacts, MLflow, and the machines that compute."""
