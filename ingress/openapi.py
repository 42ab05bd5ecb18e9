"""What /openapi.json answers."""

from __future__ import annotations

from typing import Any

_ERROR = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
_RETRY = {
    **_ERROR,
    "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
}
_WEBHOOK: dict[str, Any] = {
    "summary": "Take one webhook; 202 means that it is durable.",
    "security": [{"token": []}, {"hmac": []}, {"standard": []}],
    "requestBody": {
        "required": True,
        "description": "Any body up to 256 KiB; it is stored as it is.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "responses": {
        "202": {
            "description": "Durable.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"ingress_id": {"type": "string"}},
                        "required": ["ingress_id"],
                    }
                }
            },
        },
        "400": {"description": "Empty body.", **_ERROR},
        "401": {"description": "Not authenticated.", **_ERROR},
        "404": {"description": "Unknown source.", **_ERROR},
        "408": {"description": "Body too slow.", **_ERROR},
        "413": {"description": "Body over 256 KiB.", **_ERROR},
        "429": {"description": "Too many webhooks of this source.", **_RETRY},
        "503": {"description": "Not durable: send it again.", **_RETRY},
    },
}


def _get(summary: str, *codes: str) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {code: {"description": ""} for code in codes}}}


OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Switchboard ingress", "version": "1"},
    "paths": {
        "/webhooks/{source}": {
            "parameters": [
                {"name": "source", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "post": _WEBHOOK,
        },
        "/richpanel/inbound": {"post": _WEBHOOK},
        "/ping": _get("Alive.", "200"),
        "/ready": _get("Ready: the broker answers.", "200", "503"),
        "/metrics": _get("Prometheus metrics.", "200"),
        "/openapi.json": _get("This description.", "200"),
    },
    "components": {
        "schemas": {
            "Error": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
            }
        },
        "securitySchemes": {
            "token": {"type": "apiKey", "in": "header", "name": "X-Middleware-Token"},
            "hmac": {"type": "apiKey", "in": "header", "name": "X-Signature"},
            "standard": {"type": "apiKey", "in": "header", "name": "webhook-signature"},
        },
    },
}
