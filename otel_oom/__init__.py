"""otel-oom: each kill by the Linux kernel's OOM killer becomes one OTLP log record and one count."""

__version__ = "0.1.0"

#: Home page of the project. A placeholder until there is a public repository; pyproject.toml has the same one.
URL = "https://example.com/otel-oom"
