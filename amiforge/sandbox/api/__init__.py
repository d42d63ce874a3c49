"""The sandbox's EC2 endpoint: moto's API in front of machines that really boot.

Everything that imports moto or werkzeug lives in this package, and only the server process imports it.
"""
