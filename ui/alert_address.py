"""Where alerts are sent, how a sender proves who it is, and what it gets back."""

from __future__ import annotations

import streamlit as st

from ui import auth, cards, data, links

TOOLS = {
    "Alertmanager": """receivers:
  - name: telltale
    webhook_configs:
      - url: {url}
        send_resolved: true
        http_config:
          authorization: {{type: Bearer, credentials_file: /etc/alertmanager/telltale_token}}""",
    "Datadog": """{{"alert_id": "$ID", "title": "$EVENT_TITLE", "priority": "$PRIORITY",
 "transition": "$ALERT_TRANSITION", "cycle": "$ALERT_CYCLE_KEY", "ts": "$DATE", "tags": "$TAGS",
 "metric": "$ALERT_METRIC", "msg": "$TEXT_ONLY_MSG", "link": "$LINK"}}""",
    "CloudWatch": "https://telltale:<token>@{host}/webhook/alerts   (SNS: HTTPS subscription of the alarm's topic)",
    "Anything else": """curl -X POST {url} \\
  -H "Authorization: Bearer $TELLTALE_TOKEN" -H "Content-Type: application/json" \\
  -d '{{"id": "ALERT-1", "title": "Late table", "severity": "high", "source": "cron",
       "metric": {{"table": "orders", "columns_before": 12, "columns_after": 11}}}}\'""",
    "Signed": """from standardwebhooks.webhooks import Webhook   # Standard Webhooks: HMAC-SHA256

body, now = json.dumps(alert), datetime.now(UTC)
httpx.post("{url}", content=body, headers={{
    "content-type": "application/json", "webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp())),
    "webhook-signature": Webhook(secret).sign(message_id, now, body)}})""",
}


def show() -> None:
    """The address, how to sign, templates of the tools, and what the answers mean."""
    base = data.bench().ctx.settings.telltale_public_url.rstrip("/")
    url = f"{base}/webhook/alerts"
    st.header("Where to send alerts")
    st.code(f"POST {url}", language=None)
    st.markdown(
        "- **Bearer token** with the scope incidents:write, made on Users and tokens; or the same token as the "
        "password of basic authentication, where a tool can only send an address.\n"
        "- **Signature** after Standard Webhooks (HMAC-SHA256 over id, time and body), with a secret from "
        "TELLTALE_WEBHOOK_SECRETS. One that does not hold is refused, whatever else is sent."
    )
    if auth.current().can("tools:manage"):
        st.page_link(links.page("people"), label="Make a token", icon=":material/key:")
    names = [f"{tenant}/{name}" for tenant, name in data.bench().ctx.settings.senders]
    own = [n for n in names if n.startswith(f"{auth.current().tenant}/")]
    st.caption(f"Senders that may sign: {cards.safe(', '.join(own))}." if own else "No sender has a secret yet.")
    st.subheader("Templates")
    tabs = st.tabs(list(TOOLS), key="inbox_tool", on_change="rerun")
    for tab, text in zip(tabs, TOOLS.values(), strict=True):
        if tab.open:
            with tab:
                st.code(text.format(url=url, host=base.split("://")[-1]), language=None, wrap_lines=True)
    st.subheader("Answers")
    st.table(
        {
            "answer": ["202", "400", "401, 403", "413", "503"],
            "what it means": [
                "Kept; the ids, and how many were new. The decision follows within seconds.",
                "No JSON object, empty, or nested too deeply: the reason is in the answer and in this inbox.",
                "No token or signature that holds, or one without incidents:write.",
                "Larger than 1 MiB.",
                "Nothing was kept: send it again.",
            ],
        },
        border="horizontal", hide_index=True, alt="Answers of the address and what they mean",
    )  # fmt: skip
    st.caption("The same source and alert id again is an occurrence of the same incident, without a second message.")
