#include "tcpco/stack/outbox.hpp"

#include <vector>

#include "catch.hpp"

using namespace tcpco;

TEST_CASE("outbox: each entry is handed out once until its token comes back", "[stack]")
{
    outbox box{3};
    std::vector<outbox::entry*> taken;
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(box.exhausted());
        taken.push_back(box.acquire());
        REQUIRE(taken.back() != nullptr);
    }
    CHECK(box.exhausted());
    CHECK(box.acquire() == nullptr);
    CHECK(box.held() == 3);
    CHECK_FALSE(box.token_of(*taken[0]) == box.token_of(*taken[1]));
    box.release(box.token_of(*taken[1]));
    CHECK_FALSE(box.exhausted());
    CHECK(box.acquire() == taken[1]);
    CHECK(box.acquire() == nullptr);
}

TEST_CASE("outbox: tokens that name nothing in use are ignored", "[stack]")
{
    outbox box{2};
    outbox::entry* e = box.acquire();
    const transmit_token token = box.token_of(*e);
    box.release(token);
    box.release(token);
    box.release({2});
    box.release({0xFFFF'FFFF});
    CHECK(box.held() == 0);
    CHECK(box.acquire() != nullptr);
    CHECK(box.acquire() != nullptr);
    CHECK(box.acquire() == nullptr);
}

TEST_CASE("outbox: an entry keeps the slots that it points into, and release gives them back", "[stack]")
{
    buffer_pool pool{256, 2};
    outbox box{1};
    {
        outbox::entry* e = box.acquire();
        for (std::size_t i = 0; i < 2; ++i) {
            buffer b = pool.acquire();
            std::byte* at = b.data();
            at[0] = static_cast<std::byte>(i + 1);
            e->payload[i] = slice{std::move(b), at, 1};
        }
        e->header[0] = std::byte{9};
        e->set_pieces(1, 2);
    }
    CHECK(pool.available() == 0);
    outbox::entry* none = box.acquire();
    CHECK(none == nullptr);
    box.release({0});
    CHECK(pool.available() == 2);
}

TEST_CASE("outbox: the gather list is the headers, then the payload in its order", "[stack]")
{
    buffer_pool pool{64, 1};
    outbox box{1};
    outbox::entry* e = box.acquire();
    buffer b = pool.acquire();
    std::byte* at = b.data();
    for (std::size_t i = 0; i < 4; ++i) {
        at[i] = static_cast<std::byte>(i);
    }
    e->payload[0] = slice{b, at + 2, 2};
    e->payload[1] = slice{b, at, 1};
    e->header[0] = std::byte{7};
    e->header[1] = std::byte{8};
    e->set_pieces(2, 2);
    std::vector<int> seen;
    for (const auto& piece : e->gather()) {
        for (const std::byte octet : piece) {
            seen.push_back(std::to_integer<int>(octet));
        }
    }
    CHECK(seen == std::vector<int>{7, 8, 2, 3, 0});
    box.release(box.token_of(*e));
}
