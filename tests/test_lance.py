"""What importing LanceDB reads, and which languages it knows."""

import subprocess
import sys
import typing

import pytest

from graft import plugins
from graft.backends.stores.lance import lancedb
from graft.backends.stores.store_lancedb import Language
from graft.errors import ConfigError

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


def test_a_mistyped_language_is_refused_when_the_store_is_made(tmp_path):
    with pytest.raises(ConfigError, match=r"'language' in .* is 'german'") as error:
        plugins.build("store", "lancedb", {"language": "german"}, folder=tmp_path)
    assert "'French', 'German', 'Greek'" in error.value.hint


def test_the_languages_are_those_that_lancedb_knows():
    lancedb()
    from lancedb.index import lang_mapping

    assert sorted(lang_mapping.values()) == list(typing.get_args(Language))
    for language in typing.get_args(Language):
        assert lancedb().tokenize("x", base_tokenizer="icu", language=language)
