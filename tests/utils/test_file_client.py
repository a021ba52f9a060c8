import pickle
import sys
from pathlib import Path

import pytest

from basicsr.utils.errors import DataError, OptionError
from basicsr.utils.file_client import FileClient

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'basicsr_tests_data'
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason='needs the LMDBs of ../shared/data')


def test_disk(tmp_path):
    (tmp_path / 'a.bin').write_bytes(b'content')
    client = FileClient('disk')
    assert client.get(tmp_path / 'a.bin') == client.get(str(tmp_path / 'a.bin'), 'lq') == b'content'
    with pytest.raises(DataError, match=r'b\.bin'):
        client.get(tmp_path / 'b.bin')


@needs_data
def test_lmdb_of_basicsr():
    pytest.importorskip('lmdb')
    folders = [str(DATA / 'lq.lmdb'), str(DATA / 'gt.lmdb')]
    client = pickle.loads(pickle.dumps(FileClient('lmdb', db_paths=folders, client_keys=['lq', 'gt'])))
    other = FileClient('lmdb', db_paths=folders[1])
    assert client.get('baboon', 'gt') == other.get('baboon') == (DATA / 'baboon.png').read_bytes()
    assert client.get('baboon', 'lq') != client.get('baboon', 'gt')
    with pytest.raises(DataError, match=r"gt\.lmdb: has no key 'mandrill'"):
        client.get('mandrill', 'gt')


def test_no_such_lmdb(tmp_path):
    pytest.importorskip('lmdb')
    with pytest.raises(DataError, match=r'none\.lmdb: cannot open'):
        FileClient('lmdb', db_paths=str(tmp_path / 'none.lmdb')).get('a')


def test_wrong_arguments():
    with pytest.raises(OptionError, match=r'memcached.* not supported'):
        FileClient('memcached')
    with pytest.raises(OptionError, match='unknown'):
        FileClient('petrel')
    with pytest.raises(OptionError, match='2 db_paths for 1 client_keys'):
        FileClient('lmdb', db_paths=['a', 'b'], client_keys=['lq'])


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    with pytest.raises(OptionError, match=r'pip install basicsr\[lmdb\]'):
        FileClient('lmdb', db_paths='a.lmdb')
