#include "tcpco/async/stop.hpp"

#include <string>

#include "catch.hpp"

using namespace tcpco;

namespace {

struct listener : stop_callback {
    listener(std::string& l, char n) : stop_callback{&called}, log{l}, name{n} {}
    static void called(stop_callback& c) noexcept
    {
        listener& self = static_cast<listener&>(c);
        self.log += self.name;
        if (self.removes != nullptr) {
            self.removes->detach();
        }
    }
    std::string& log;
    char name;
    listener* removes = nullptr;
};

}  // namespace

TEST_CASE("A stop request calls what is attached, once and in order", "[async]")
{
    stop_source source;
    std::string log;
    listener a{log, 'a'}, b{log, 'b'};
    CHECK(source.token().attach(a));
    CHECK(source.token().attach(b));
    CHECK_FALSE(source.token().stop_requested());
    CHECK(source.request_stop());
    CHECK(source.token().stop_requested());
    CHECK_FALSE(source.request_stop());
    CHECK(log == "ab");
}

TEST_CASE("A callback that is detached or destroyed is not called, not even by another callback's doing", "[async]")
{
    stop_source source;
    std::string log;
    listener a{log, 'a'}, b{log, 'b'}, c{log, 'c'};
    a.removes = &b;
    CHECK(source.token().attach(a));
    CHECK(source.token().attach(b));
    CHECK(source.token().attach(c));
    {
        listener d{log, 'd'};
        CHECK(source.token().attach(d));
    }
    source.request_stop();
    CHECK(log == "ac");
}

TEST_CASE("Nothing attaches to a token that is stopped, an empty token never stops", "[async]")
{
    stop_source source;
    std::string log;
    listener a{log, 'a'};
    source.request_stop();
    CHECK_FALSE(source.token().attach(a));
    CHECK_FALSE(stop_token::stopped().attach(a));
    CHECK(stop_token::stopped().stop_requested());
    CHECK(stop_token{}.attach(a));
    CHECK_FALSE(stop_token{}.stop_possible());
    CHECK_FALSE(stop_token{}.stop_requested());
    CHECK(log.empty());
}

TEST_CASE("A source may go before its callbacks", "[async]")
{
    std::string log;
    listener a{log, 'a'};
    {
        stop_source source;
        CHECK(source.token().attach(a));
    }
    a.detach();
    CHECK(log.empty());
}
