FROM python:3.11-slim
WORKDIR /switchboard
COPY requirements.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock
COPY pipeline pipeline
COPY tables tables
COPY agents agents
COPY ingress ingress
COPY console console
COPY sandbox sandbox
RUN useradd --create-home switchboard && mkdir /data && chown switchboard /data
USER switchboard
ENV SWITCHBOARD_DATA_DIR=/data SWITCHBOARD_HOST=0.0.0.0 SWITCHBOARD_PORT=8080
EXPOSE 8080
VOLUME /data
CMD ["python", "-m", "ingress"]
