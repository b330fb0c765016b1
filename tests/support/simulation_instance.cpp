#include "support/link.hpp"

template class tcpco_test::simulation<tcpco::default_policies>;
