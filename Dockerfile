# Builds the environment in one stage and copies it into a small one that runs without root.
#
#   docker build -t telltale .
#   docker run -p 8501:8501 -v telltale:/app/var -v "$PWD/secrets.toml:/app/.streamlit/secrets.toml:ro" \
#     -e STREAMLIT_SERVER_ALLOWED_HOSTS=telltale.example.com telltale
#
# It listens on every address of the container, so it refuses to start without an [auth] section in secrets.toml.
# Without a login, on this machine only:
#   docker run --network host telltale streamlit run app.py --server.address 127.0.0.1
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CACHE=1
RUN python -m venv /venv && /venv/bin/pip install --quiet uv==0.13.9
WORKDIR /build
COPY requirements.txt .
RUN /venv/bin/uv pip install --python /venv/bin/python --require-hashes -r requirements.txt \
    && /venv/bin/pip uninstall --yes --quiet uv

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --create-home --uid 10001 telltale && install -d -o telltale -g telltale /app/var
COPY --from=build /venv /venv
WORKDIR /app
COPY --chown=root:root . .
USER 10001
VOLUME /app/var
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
CMD ["streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.port", "8501"]
