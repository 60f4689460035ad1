"""Drafts of exports as shop systems write them: what each column is, and what is asked."""

from __future__ import annotations

from drafts import draft, questions, samples, source

from crm_spark.ingest.drafting.draft import draft_of
from crm_spark.ingest.drafting.find import Seen

ONLINE_RETAIL = """\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,71053,LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom
C536379,D,Discount,-1,12/13/2010 9:41,27.5,14527,United Kingdom
536380,22633,WARMER,6,12/13/2010 9:41,27.5,,United Kingdom
"""


def test_a_ledger_of_quantities_and_prices() -> None:
    found = draft(ONLINE_RETAIL)
    assert found.missing == ()
    assert source(found)["columns"] == {
        "customer_id": "CustomerID",
        "order_id": "InvoiceNo",
        "ordered_at": "to_timestamp(InvoiceDate, 'M/d/yyyy H:mm')",
        "product_id": "StockCode",
        "quantity": "Quantity",
        "amount": "Quantity * UnitPrice",
    }
    time_zone, blank = questions(found)
    assert "The stamps have no zone" in time_zone
    assert (
        blank
        == "customer_id: 25 % of the rows looked at have none, and are rejected: is that right?"
    )


def test_examples_stand_beside_each_column() -> None:
    lines = draft(ONLINE_RETAIL).text.splitlines()
    assert "      product_id: StockCode   # 85123A, 71053, D" in lines
    assert "      customer_id: CustomerID   # 17850, 14527" in lines


SQUARE = """\
Date,Time,Time Zone,Item,Qty,SKU,Gross Sales,Discounts,Net Sales,Transaction ID,Customer ID,Location
2019-01-02,10:11:12,Eastern Time,Latte,1.0,LAT,"$1,004.50",-$0.50,"$1,004.00",T1,CU1,Main St
2019-01-02,10:11:12,Eastern Time,Bagel,2.0,BAG,$6.00,$0.00,$6.00,T1,CU1,Main St
2019-01-03,11:00:00,Eastern Time,Bagel,-1.0,BAG,($3.00),$0.00,($3.00),T2,CU2,Main St
"""


def test_days_and_times_apart_money_with_signs_and_parentheses() -> None:
    found = draft(SQUARE)
    columns = source(found)["columns"]
    stamp = "to_timestamp(concat(Date, ' ', Time), 'yyyy-M-d H:mm:ss')"
    assert columns["ordered_at"] == stamp
    assert columns["amount"] == (
        "cast(translate(regexp_replace(trim(`Net Sales`), '^[(](.*)[)]$', '-$1'), '$,', '') "
        "as double)"
    )
    assert columns["discount_amount"] == "abs(cast(replace(Discounts, '$', '') as double))"
    assert (columns["store_id"], columns["product_id"]) == ("Location", "SKU")
    assert any("rather `Gross Sales`" in text for text in questions(found))


SHOPIFY = """\
Name,Email,Financial Status,Currency,Subtotal,Total,Discount Amount,Created at,Lineitem quantity,\
Lineitem price,Lineitem sku,Lineitem discount
#1001,ann@example.com,paid,USD,25.50,29.50,0.00,2019-01-02 10:11:12 -0500,2,10.00,MUG,0.00
#1001,ann@example.com,,,,,,2019-01-02 10:11:12 -0500,1,5.50,SPOON,0.00
#1002,Bob@Example.com,refunded,USD,21.00,21.00,0.00,2019-01-31 23:30:00 -0500,3,7.00,TRAY,1.00
"""


def test_totals_of_orders_are_none_of_lines() -> None:
    found = draft(SHOPIFY)
    columns = source(found)["columns"]
    assert columns["customer_id"] == "lower(Email)"
    assert columns["order_id"] == "Name"
    assert columns["amount"] == (
        "`Lineitem quantity` * `Lineitem price` - coalesce(`Lineitem discount`, 0)"
    )
    assert columns["discount_amount"] == "`Lineitem discount`"
    asked = questions(found)
    assert any("whole orders have Total, Subtotal" in text for text in asked)
    assert any("not in ('refunded')" in text for text in asked)
    assert not any("have no zone" in text for text in asked)


AMAZON = (
    "amazon-order-id\tpurchase-date\torder-status\tsales-channel\tsku\tquantity\tcurrency\t"
    "item-price\titem-promotion-discount\tbuyer-email\n"
    "111-1\t2019-01-02T10:11:12+00:00\tShipped\tAmazon.com\tMUG\t2\tUSD\t20.00\t\ta@m.amazon.com\n"
    "111-2\t2019-01-03T10:11:12+00:00\tCancelled\tAmazon.com\tMUG\t1\tUSD\t10.00\t1.00\tb@m.amazon.com\n"
)


def test_a_price_that_is_of_the_line_is_not_taken_times_quantity() -> None:
    found = draft(AMAZON)
    assert source(found)["options"] == {"header": True, "sep": "\t"}
    columns = source(found)["columns"]
    assert columns["amount"] == "`item-price` - coalesce(`item-promotion-discount`, 0)"
    assert columns["channel"] == "`sales-channel`"


MAGENTO = """\
"increment_id","created_at","customer_id","sku","qty_ordered","price","row_total","base_grand_total"
"100000001","2019-01-02 10:11:12","7","MUG","2.0000","10.0000","20.0000","25.5000"
"100000001","2019-01-02 10:11:12","7","SPO","1.0000","5.5000","5.5000","25.5000"
"100000002","2019-01-03 10:11:12","8","MUG","1.0000","10.0000","10.0000","10.0000"
"""


def test_a_total_of_the_line_is_taken_before_price_and_order_total() -> None:
    found = draft(MAGENTO)
    assert source(found)["columns"]["amount"] == "row_total"
    assert not any(text.startswith("amount") for text in questions(found))


SAP = """\
VBELN;POSNR;AUDAT;KUNNR;MATNR;KWMENG;NETWR;WAERK
0000004711;000010;20190102;0000001000;M-01;2,000;1.234,50;EUR
0000004711;000020;20190102;0000001000;M-02;1,000;5,50;EUR
0000004712;000010;20190103;0000001001;M-01;1,000;10,00-;EUR
"""


def test_marks_are_told_by_the_columns_that_leave_no_doubt() -> None:
    found = draft(SAP)
    columns = source(found)["columns"]
    assert columns["quantity"] == "cast(replace(KWMENG, ',', '.') as double)"
    assert columns["ordered_at"] == "to_timestamp(AUDAT, 'yyyyMMdd')"
    assert columns["line_id"] == "concat_ws('-', VBELN, POSNR)"
    assert "'^ *(.*)-$', '-$1'" in columns["amount"]
    assert len(questions(found)) == 1  # of the time zone


GERMAN = """\
Bestellungen Januar 2019;;;;;;
;;;;;;
Bestellnummer;Bestelldatum;Kundennummer;Artikelnummer;Menge;Einzelpreis;Währung
B-1;02.01.2019 10:11;K1;A1;2;10,00;EUR
B-2;03.01.2019 09:00;K2;A1;1;10,00;EUR
"""


def test_titles_encoding_and_points_in_dates() -> None:
    found = draft(GERMAN, encoding="cp1252")
    section = source(found)
    assert section["skip_lines"] == 2
    assert section["options"] == {"header": True, "sep": ";", "encoding": "windows-1252"}
    assert section["columns"]["ordered_at"] == "to_timestamp(Bestelldatum, 'd.M.yyyy H:mm')"
    assert section["columns"]["quantity"] == "Menge"
    assert section["columns"]["currency"] == "`Währung`"
    assert any("windows-1252 reads Währung" in text for text in questions(found))


SUPERSTORE = """\
Row ID,Order ID,Order Date,Ship Date,Customer ID,Customer Name,Product ID,Sales,Quantity,Discount
1,CA-1,11/8/2016,11/11/2016,CG-12520,Claire Gute,FUR-1,261.96,2,0
2,CA-2,6/12/2016,6/16/2016,DV-13045,Darrin Van Huff,OFF-1,14.62,2,0.2
"""


def test_another_date_of_the_file_tells_days_from_months_and_a_rate_is_no_money() -> None:
    found = draft(SUPERSTORE)
    columns = source(found)["columns"]
    assert columns["ordered_at"] == "to_timestamp(`Order Date`, 'M/d/yyyy')"
    assert "discount_amount" not in columns
    assert "line_id" not in columns  # another export numbers its rows anew
    asked = questions(found)
    assert any("Discount is a share of the price" in text for text in asked)
    assert not any("days from months" in text for text in asked)


def test_orders_whose_lines_leave_the_order_blank_are_asked_of() -> None:
    found = draft(
        "Order Reference,Order Date,Customer,Order Lines/Product,Order Lines/Subtotal\n"
        "S1,2019-01-02 10:11:12,Ann A,Mug,20.0\n,,,Spoon,5.5\n"
        "S2,2019-01-03 10:11:12,Bob B,Mug,10.0\n"
    )
    asked = questions(found)
    assert any("first row alone, let the export fill it in" in text for text in asked)
    assert any("names are shared and misspelt" in text for text in asked)


def test_days_of_spreadsheets_and_of_counts_from_1970() -> None:
    excel = draft("Order;Customer;Date;Total\n1;a;43525;1,50\n2;b;43526,5;2,50\n")
    assert source(excel)["columns"]["ordered_at"].startswith("timestamp_ntz'1899-12-30' + ")
    counted = draft("order_id,user_id,created_at,total\n1,1,1546423872,1.5\n2,1,1546510272,2.5\n")
    assert source(counted)["columns"]["ordered_at"] == (
        "timestamp_seconds(cast(created_at as bigint))"
    )


def test_a_file_without_names_is_told_by_its_values_and_all_is_asked() -> None:
    found = draft(
        "1001,c1,2019-01-02 10:11:12,mug,2,20.00\n1001,c1,2019-01-02 10:11:12,spoon,1,5.50\n"
        "1002,c1,2019-01-03 10:11:12,mug,1,10.00\n1003,c2,2019-01-04 10:11:12,mug,1,10.00\n"
    )
    columns = source(found)["columns"]
    assert columns == {
        "customer_id": "_c1",
        "order_id": "_c0",
        "ordered_at": "to_timestamp(_c2)",
        "quantity": "_c4",
        "amount": "_c5",
    }
    for key in columns:
        assert any(text.startswith(f"{key}: ") for text in questions(found))


def test_without_order_numbers_a_day_of_a_customer_is_offered() -> None:
    found = draft(
        " 00004 19970101  2   29.33\n 00004 19970118  2   29.73\n 00021 19970802  1  14.96\n"
    )
    assert [text.split(":")[0] for text in found.missing] == ["no column for order_id"]
    day = "to_date(to_timestamp(split(trim(_c0), ' +')[1], 'yyyyMMdd'))"
    made = f"concat_ws('-', split(trim(_c0), ' +')[0], {day})"
    assert f"      # order_id: {made}" in found.text.splitlines()


def test_days_that_are_counted_are_offered_as_dates() -> None:
    found = draft(
        "household_key,BASKET_ID,DAY,SALES_VALUE,RETAIL_DISC,COUPON_DISC\n"
        "2375,26984851472,1,1.39,-0.6,0\n1364,26984896261,2,2.19,0,0\n"
    )
    assert "      # ordered_at: date_add(date'2000-01-01', cast(DAY as int))" in found.text
    assert source(found)["columns"]["discount_amount"] == (
        "coalesce(abs(RETAIL_DISC), 0) + coalesce(COUPON_DISC, 0)"
    )


def test_a_contract_file_lacks_all_but_customers() -> None:
    found = draft("customerID,tenure,MonthlyCharges,Churn\n7590-A,1,29.85,No\n5575-B,34,56.95,No\n")
    assert [text.split(":")[0] for text in found.missing] == [
        "no column for order_id",
        "no column for ordered_at",
        "no column for amount",
    ]


def test_only_events_with_an_order_are_offered() -> None:
    found = draft(
        "timestamp,visitorid,event,itemid,transactionid,price\n"
        "1430618791328,75,view,8,,1.0\n1430618851328,75,transaction,28,780,2.0\n"
    )
    asked = " ".join(questions(found))
    assert "where: event = 'transaction'" in asked
    assert "where" not in source(found)


def test_two_currencies_are_asked_of() -> None:
    found = draft(
        "customer,invoice,day,total,cur\nc1,i1,2019-03-01,100.00,eur\nc2,i2,2019-03-02,12000,jpy\n"
    )
    assert source(found)["columns"]["currency"] == "upper(cur)"
    assert any("amounts are in eur and jpy" in text for text in questions(found))


def test_a_total_that_is_a_price_is_asked_of() -> None:
    found = draft(
        "customer,invoice,day,qty,unit_price,amount\n"
        "c1,i1,2019-03-01,2,5.00,5.00\nc2,i2,2019-03-02,3,4.00,4.00\n"
    )
    assert any("price of one piece, like unit_price" in text for text in questions(found))


def test_a_column_that_was_renamed_is_read_by_either_name() -> None:
    seen = samples(
        {
            "2019-01.csv": "customer,invoice,day,qty,total\nc1,i1,2019-01-01,1,5.00\n",
            "2019-02.csv": "customer,invoice,day,quantity,total\nc1,i2,2019-02-01,2,6.00\n",
        }
    )
    assert len(seen) == 1
    columns = source(draft_of(Seen(seen), "d"))["columns"]
    assert columns["quantity"] == "coalesce(quantity, qty)"


def test_an_order_total_alone_is_no_amount_of_lines() -> None:
    found = draft(
        "order_id,customer_id,order_date,sku,order_total\n"
        "1,a,2019-01-02,MUG,25.50\n1,a,2019-01-02,SPO,25.50\n2,b,2019-01-03,MUG,10.00\n"
    )
    assert [text.split(":")[0] for text in found.missing] == ["no column for amount"]
    assert any("to count once a line" in text for text in questions(found))


def test_a_discount_that_does_not_say_it_is_of_the_line_is_asked_of_and_not_taken_off() -> None:
    found = draft(
        "order_id,customer_id,order_date,quantity,unit_price,discount_amount\n"
        "1,a,2019-01-02,2,5.00,1.00\n2,b,2019-01-03,1,6.00,2.50\n"
    )
    assert source(found)["columns"]["amount"] == "quantity * unit_price"
    asked = "amount: is discount_amount taken off unit_price already?"
    assert asked in questions(found)


def test_a_line_number_that_comes_twice_in_an_order_is_no_id() -> None:
    lines = (
        "order_id,line_no,customer_id,order_date,total\n1,1,a,2019-01-02,5\n1,2,a,2019-01-02,6\n"
    )
    assert "line_id" in source(draft(lines))["columns"]
    assert "line_id" not in source(draft(f"{lines}1,2,a,2019-01-02,7\n"))["columns"]


def test_money_given_back_in_a_column_of_its_own_is_asked_of() -> None:
    found = draft(
        "id,Created (UTC),Amount,Amount Refunded,Currency,Status,Customer ID\n"
        "ch_1,2019-01-02 10:11,25.00,0.00,usd,wc-cancelled,cus_1\n"
        "ch_2,2019-01-03 10:11,25.00,5.00,usd,wc-completed,cus_2\n"
    )
    assert source(found)["columns"]["amount"] == "Amount"
    asked = questions(found)
    assert any("amount: Amount - coalesce(`Amount Refunded`, 0)" in text for text in asked)
    assert any("not in ('wc-cancelled')" in text for text in asked)


def test_a_refund_names_its_order() -> None:
    found = draft(
        "order_id,parent_id,date_created,customer,sku,line_total\n"
        "309,,2019-02-03,c1,TEE,107.00\n310,309,2019-03-02,c1,,-107.00\n"
    )
    assert source(found)["columns"]["refund_of_order_id"] == "parent_id"
    other = draft(
        "order_id,parent_id,date_created,customer,sku,line_total\n"
        "309,7,2019-02-03,c1,TEE,107.00\n310,8,2019-03-02,c1,,-107.00\n"
    )
    assert "refund_of_order_id" not in source(other)["columns"]


def test_what_stands_for_no_customer_is_named() -> None:
    found = draft(
        "customer,invoice,day,total\nguest,i1,2019-03-01,1.00\nN/A,i2,2019-03-01,1.00\n"
        "c1,i3,2019-03-01,1.00\n"
    )
    assert "    # customer_id: stands for no customer, and is rejected: guest, n/a" in found.text


def test_every_line_fits_100_columns() -> None:
    texts = (ONLINE_RETAIL, SQUARE, SHOPIFY, AMAZON, MAGENTO, SAP, GERMAN, SUPERSTORE)
    assert max(len(line) for text in texts for line in draft(text).text.splitlines()) <= 100
