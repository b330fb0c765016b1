#include "tcpco/policy/syn_defence/backlog.hpp"

#include "catch.hpp"
#include "tcpco/policy/syn_defence/admit_all.hpp"

using namespace tcpco;

namespace {

constexpr syn_info load(std::uint32_t half_open, std::uint32_t unaccepted)
{
    return {.half_open = half_open, .half_open_limit = 2, .unaccepted = unaccepted, .backlog = 3};
}

static_assert(syn::admit_all{}.admit(load(1'000, 1'000)) == syn_answer::accept);

}  // namespace

TEST_CASE("SYNs are dropped when either limit of the listener is reached", "[policy][RFC4987]")
{
    constexpr syn::backlog b;
    CHECK(b.admit(load(1, 2)) == syn_answer::accept);
    CHECK(b.admit(load(2, 0)) == syn_answer::drop);
    CHECK(b.admit(load(0, 3)) == syn_answer::drop);
    constexpr syn::backlog harsh{syn::backlog::config{.reset_when_full = true}};
    CHECK(harsh.admit(load(0, 3)) == syn_answer::reset);
    CHECK(harsh.admit(load(1, 2)) == syn_answer::accept);
}
