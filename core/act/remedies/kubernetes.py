"""Rolling a deployment back, through a webhook in front of the cluster."""

from __future__ import annotations

from pydantic import Field

from core.act.remedies.webhook import ActionWebhook
from core.act.remedy import filled, remedies, values
from core.model import Action, JsonObject


@remedies.register("kubernetes_rollback", "Kubernetes rollback (through a webhook)")
class KubernetesRollback(ActionWebhook):
    """The signed webhook with a patch of the deployment's image as its body; the workbench holds no cluster access."""

    namespace: str = Field("default", pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    image: str = Field("{service}:{target_version}", description="Image of a version; {name} is a parameter")

    def body(self, action: Action, subject: str) -> JsonObject:
        """Which deployment gets which image. Raises: InputError when service or version is not a plain name."""
        params = values(action, subject)
        service = filled("/{service}", params)[1:]
        container: JsonObject = {"name": service, "image": filled("/" + self.image, params)[1:]}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": service,
                "namespace": self.namespace,
                "annotations": {"kubernetes.io/change-cause": f"{action.action_id} for {action.incident_id}"},
            },
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
