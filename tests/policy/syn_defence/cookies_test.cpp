#include "tcpco/policy/syn_defence/cookies.hpp"

#include "catch.hpp"

using namespace tcpco;

namespace {

constexpr syn_info load(std::uint32_t half_open, std::uint32_t unaccepted)
{
    return {.half_open = half_open, .half_open_limit = 2, .unaccepted = unaccepted, .backlog = 3};
}

constexpr syn::cookies with(syn::cookies::when use, bool reset = false)
{
    return syn::cookies{syn::cookies::config{.use = use, .reset_when_full = reset}};
}

}  // namespace

TEST_CASE("SYN cookies are given where the SYN queue is full, always or never, as configured", "[policy][RFC4987-4a]")
{
    using when = syn::cookies::when;
    CHECK(syn::cookies{}.admit(load(1, 0)) == syn_answer::accept);
    CHECK(syn::cookies{}.admit(load(2, 0)) == syn_answer::cookie);
    CHECK(with(when::always).admit(load(0, 0)) == syn_answer::cookie);
    CHECK(with(when::off).admit(load(1, 0)) == syn_answer::accept);
    CHECK(with(when::off).admit(load(2, 0)) == syn_answer::drop);
    CHECK(with(when::off, true).admit(load(2, 0)) == syn_answer::reset);
}

TEST_CASE("With the accept queue full no SYN gets a cookie: its connection would have no place", "[policy][RFC4987]")
{
    using when = syn::cookies::when;
    CHECK(syn::cookies{}.admit(load(2, 3)) == syn_answer::drop);
    CHECK(with(when::always).admit(load(0, 3)) == syn_answer::drop);
    CHECK(with(when::always, true).admit(load(0, 3)) == syn_answer::reset);
}
