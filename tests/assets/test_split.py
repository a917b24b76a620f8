"""The split: whole hosts are held out, by name or by a seeded hash, and the answer never changes."""

from hypothesis import given
from hypothesis import strategies as st

from assets.split import Split, SplitConfig, host_of, split_of_url

HOSTS = [f"package-{number}.docs.test" for number in range(2000)]


def split_of(host: str, config: SplitConfig) -> Split:
    return split_of_url(f"http://{host}/", config)


def test_a_named_host_is_held_out_with_its_subdomains():
    config = SplitConfig(held_out_hosts=("numpy.org",), held_out_share=0)
    assert split_of("numpy.org", config) == split_of("docs.numpy.org", config) == split_of("www.numpy.org", config)
    assert split_of("numpy.org", config) == "held_out"
    assert split_of("notnumpy.org", config) == "train"


def test_the_hash_holds_out_the_share_that_the_spec_asks_for():
    held_out = [host for host in HOSTS if split_of(host, SplitConfig(held_out_share=0.1)) == "held_out"]
    assert 160 <= len(held_out) <= 240


def test_another_seed_holds_out_other_hosts():
    first, second = ({h for h in HOSTS if split_of(h, SplitConfig(seed=seed)) == "held_out"} for seed in (0, 1))
    assert len(first & second) < len(first) / 2


def test_a_share_of_zero_holds_out_nobody():
    assert {split_of(host, SplitConfig(held_out_share=0)) for host in HOSTS} == {"train"}


def test_pages_of_one_host_are_on_one_side_unless_the_spec_splits_by_url():
    urls = [f"http://only.docs.test/{number}.html" for number in range(1000)]
    assert len({split_of_url(url, SplitConfig(held_out_share=0.5)) for url in urls}) == 1
    by_url = [split_of_url(url, SplitConfig(held_out_share=0.5, unit="url")) for url in urls]
    assert 400 <= by_url.count("held_out") <= 600


def test_a_named_host_is_held_out_even_where_the_spec_splits_by_url():
    config = SplitConfig(held_out_hosts=("numpy.org",), held_out_share=0, unit="url")
    assert split_of_url("https://numpy.org/doc", config) == "held_out"


def test_a_url_without_a_host_has_an_empty_one():
    assert host_of("urn:isbn:1") == host_of("http://[broken") == ""


@given(st.from_regex(r"[a-zA-Z]{1,8}(\.[a-zA-Z]{1,8}){1,3}", fullmatch=True), st.integers(1, 65535))
def test_case_port_and_www_do_not_matter(host, port):
    config = SplitConfig(held_out_share=0.5)
    sides = {
        split_of_url(url, config) for url in (f"http://{host}/", f"HTTPS://{host.upper()}:{port}/a", f"http://{host}./")
    }
    assert sides == {split_of(f"www.{host.lower().removeprefix('www.')}", config)}
