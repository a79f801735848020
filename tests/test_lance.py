"""What importing LanceDB reads."""

import subprocess
import sys

CODE = """
import sys
from graft.backends.stores.lance import lancedb
package = lancedb()
assert package is lancedb()
services = [name for name in sys.modules if name.startswith("lance_namespace_urllib3_client.api")]
assert not services, services
import lance_namespace_urllib3_client as client
assert not hasattr(client, "__wrapped__")
assert client.TableApi.__name__ == "TableApi"  # whoever wants it, gets it
from lance_namespace_urllib3_client import NamespaceApi
assert package.tokenize("Cars")
"""


def test_the_client_of_remote_catalogues_is_read_only_by_who_wants_it():
    subprocess.run([sys.executable, "-W", "error", "-c", CODE], check=True, timeout=60)
